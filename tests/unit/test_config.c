/* SPDX-License-Identifier: MIT */
#include "unit.h"

enum { CONFIG_TEST_ARGS = 16 };

static char *const config_no_env[] = { NULL };

/* A directory of its own for a test, below TMPDIR. */
static void config_test_dir(char dir[256]) {
    const char *tmp = getenv("TMPDIR");

    snprintf(dir, 256, "%.200s/kvns-config-XXXXXX", tmp ? tmp : "/tmp");
    CHECK(mkdtemp(dir) != NULL);
}

/* Write dir/name and put its path into path. */
static void config_test_write(const char *dir, const char *name,
                              const char *text, char path[300]) {
    FILE *f;

    snprintf(path, 300, "%s/%s", dir, name);
    f = fopen(path, "w");
    CHECK(f != NULL);
    CHECK(fwrite(text, 1, strlen(text), f) == strlen(text));
    CHECK(fclose(f) == 0);
}

/* Split a command line at blanks, as a shell would; ~ stands for path. */
static int config_test_argv(char *line, char *path,
                            char *argv[CONFIG_TEST_ARGS]) {
    int n = 0;

    for (char *p = strtok(line, " "); p != NULL; p = strtok(NULL, " ")) {
        CHECK(n < CONFIG_TEST_ARGS - 1);
        argv[n++] = strcmp(p, "~") == 0 ? path : p;
    }
    argv[n] = NULL;
    return n;
}

/* Load from a command line, an environment and the file that ~ names. */
static bool config_test_load(struct options *o, struct config_result *r,
                             const char *line, char *path,
                             char *const *env) {
    static char copy[512];      /* arguments of a result stay lent */
    char *argv[CONFIG_TEST_ARGS];
    int argc;

    snprintf(copy, sizeof copy, "%s", line);
    argc = config_test_argv(copy, path, argv);
    return config_load(o, argc, argv, env, r);
}

static void config_test_end(struct options *o, struct config_result *r) {
    config_free(r);
    options_free(o);
}

/* Expect that the command line ends with this error. */
static void config_refuses(const char *line, char *path, char *const *env,
                           const char *error) {
    struct options o;
    struct config_result r;

    CHECK(!config_test_load(&o, &r, line, path, env));
    unit_check_str(str_c(r.error), str_c(error), line, __FILE__, __LINE__);
    CHECK(r.action == CONFIG_EXIT);
    CHECK_INT(r.status, 2);
    config_test_end(&o, &r);
}

static void test_config_split(void) {
    static const struct {
        const char *line;
        int n;
        const char *last;
    } t[] = {
        { "port 1", 2, "1" }, { "  a\tb  c ", 3, "c" },
        { "a \"b c\"", 2, "b c" }, { "a \"\"", 2, "" },
        { "a \"\\x41\\n\\t\\\"\\\\\"", 2, "A\n\t\"\\" },
        { "a \"\\xZ1\"", 2, "xZ1" }, { "a 'b \\' \\n'", 2, "b ' \\n" },
        { "a b\"c d\"", 2, "bc d" }, { "a \"b", -1, NULL },
        { "a \"b\"c", -1, NULL }, { "a 'b", -1, NULL }, { "a '", -1, NULL },
        { "a \"\\", -1, NULL }, { "a #b", 2, "#b" }
    };
    struct str words[CONFIG_WORDS];
    char to[600], many[600];

    for (size_t i = 0; i < ROWS(t); i++) {
        int n = config__split(str_c(t[i].line), to, words);

        CHECK_INT(n, t[i].n);
        if (n > 0)
            unit_check_str(words[n - 1], str_c(t[i].last), t[i].line,
                           __FILE__, __LINE__);
    }
    for (int i = 0; i < 300; i++) memcpy(many + 2 * i, "a ", 2);
    CHECK_INT(config__split(str_of(many, 600), to, words), -2);
    CHECK_INT(config__split(str_of(many, 512), to, words), 256);
}

/* defaults < file < environment < flags, whatever the names used. */
static void test_config_precedence(void) {
    static char *const env[] = {
        "PATH=/bin", "KVNS_TIMEOUT=2", "KVNS_HZ=20", "KVNS_MAXMEMORY=7mb",
        "KVNS_MEMORY_LIMIT=6mb", "KVNS_MAX_RESP_ARGS=", "KVNS_SAVE=", NULL
    };
    char dir[256], path[300];
    struct options o;
    struct config_result r;

    config_test_dir(dir);
    config_test_write(dir, "c", "# comment\r\n\r\n"
                                "timeout 1\n  tcp-keepalive   10 \n"
                                "hz 30\nmaxclients 77\nsave 60 1\n"
                                "requirepass \"a \\\"b\"\n", path);
    CHECK(config_test_load(&o, &r, "kvns ~ --hz 40 --bind 127.0.0.1 ::1",
                           path, env));
    CHECK(r.action == CONFIG_SERVE);
    CHECK(r.file != NULL && r.file[0] == '/');
    CHECK_INT(r.warnings.n, 0);
    CHECK_INT(o.tcp_keepalive, 10);
    CHECK_INT(o.timeout, 2);
    CHECK_INT(o.hz, 40);
    CHECK_INT(o.memory_limit, 6 << 20);
    CHECK_INT(o.max_resp_args, 1024);
    CHECK_INT(o.max_clients, 77);
    CHECK_INT(o.host.n, 2);
    CHECK_STR(o.host.at[1], "::1");
    CHECK_STR(o.password, "a \"b");
    CHECK(o.save.n == 0 && !o.save.at_exit);
    CHECK_INT(options_origin(&o, options_find(STR("maxclients"), false)),
              ORIGIN_FILE);
    CHECK_INT(options_origin(&o, options_find(STR("timeout"), false)),
              ORIGIN_ENV);
    CHECK_INT(options_origin(&o, options_find(STR("hz"), false)),
              ORIGIN_FLAG);
    config_test_end(&o, &r);
    unlink(path);
    rmdir(dir);
}

static void test_config_flags(void) {
    struct options o;
    struct config_result r;

    CHECK(config_test_load(&o, &r, "kvns --port=7 --sharded-mode --save 60 1 "
                                   "--save 300 10 --slowlog-log-slower-than "
                                   "-1 --LogLevel verbose", NULL,
                           config_no_env));
    CHECK_INT(o.port, 7);
    CHECK(o.sharded_mode);
    CHECK_INT(o.save.n, 2);
    CHECK_INT(o.slowlog_log_slower_than, -1);
    CHECK_INT(o.log, KLOG_VERBOSE);
    CHECK(r.file == NULL);
    config_test_end(&o, &r);

    CHECK(config_test_load(&o, &r, "/usr/bin/redis-server --port 7", NULL,
                           config_no_env));
    CHECK(o.redis && o.port == 7 && o.metrics_port == 0);
    CHECK_INT(o.max_resp_args, 1048576);
    config_test_end(&o, &r);

    CHECK(config_test_load(&o, &r, "kvns --redis --save=", NULL,
                           config_no_env));
    CHECK(o.redis && o.port == 6379 && o.save.n == 0 && !o.save.at_exit);
    config_test_end(&o, &r);
}

static void test_config_commands(void) {
    static const struct {
        const char *line;
        enum config_action action;
        int nargs;
        const char *arg;
    } t[] = {
        { "kvns", CONFIG_SERVE, 0, NULL },
        { "kvns --version", CONFIG_VERSION, 0, NULL },
        { "kvns -v", CONFIG_VERSION, 0, NULL },
        { "kvns --port x --version", CONFIG_VERSION, 0, NULL },
        { "kvns --help", CONFIG_EXIT, 0, NULL },
        { "kvns -h", CONFIG_EXIT, 0, NULL },
        { "kvns --nope --help", CONFIG_EXIT, 0, NULL },
        { "kvns --check-config", CONFIG_EXIT, 0, NULL },
        { "kvns --print-docs options", CONFIG_DOCS, 1, "options" },
        { "kvns health", CONFIG_HEALTH, 0, NULL },
        { "kvns ping -p 7 -h ::1 -s /s -a x", CONFIG_PING, 0, NULL },
        { "kvns check-rdb /x --redis", CONFIG_CHECK_RDB, 1, "/x" },
        { "kvns import - --port 7", CONFIG_IMPORT, 1, "-" }
    };

    for (size_t i = 0; i < ROWS(t); i++) {
        struct options o;
        struct config_result r;

        CHECK(config_test_load(&o, &r, t[i].line, NULL, config_no_env));
        CHECK_INT(r.action, t[i].action);
        CHECK_INT(r.status, 0);
        CHECK_INT(r.nargs, t[i].nargs);
        if (t[i].arg != NULL)
            CHECK(str_eq(str_c(r.args[0]), str_c(t[i].arg)));
        if (r.action == CONFIG_PING) {
            CHECK_INT(o.port, 7);
            CHECK_STR(o.host.at[0], "::1");
            CHECK_STR(o.unixsocket, "/s");
            CHECK_STR(o.password, "x");
        }
        CHECK((r.action == CONFIG_EXIT) == (r.out.n > 0));
        config_test_end(&o, &r);
    }
}

static void test_config_errors(void) {
    static const struct {
        const char *line, *error;
    } t[] = {
        { "kvns --port abc", "kvns: --port: 'abc' given, expected a whole "
                             "number from 0 to 65535" },
        { "kvns --port", "kvns: --port: no value given, expected a whole "
                         "number from 0 to 65535" },
        { "kvns --port 1 2", "kvns: --port: 2 values given, expected a whole "
                             "number from 0 to 65535" },
        { "kvns --prot 1", "kvns: command line: there is no option '--prot', "
                           "did you mean '--port'?" },
        { "kvns --maxmemry 1", "kvns: command line: there is no option "
                               "'--maxmemry', did you mean '--maxmemory'?" },
        { "kvns --max_client 1", "kvns: command line: there is no option "
                                 "'--max_client', did you mean "
                                 "'--max-clients'?" },
        { "kvns --hepl", "kvns: command line: there is no option '--hepl', "
                         "did you mean '--help'?" },
        { "kvns --frobnicate", "kvns: command line: there is no option "
                               "'--frobnicate', see kvns --help" },
        { "kvns -p 7", "kvns: command line: '-p' is no option; they begin "
                       "with --, see kvns --help" },
        { "kvns /nowhere/c", "kvns: command line: cannot read '/nowhere/c': "
                             "No such file or directory" },
        { "kvns / --port 1", "kvns: command line: cannot read '/': Is a "
                             "directory" },
        { "kvns --port 0", "kvns: options: there is nothing to listen on: "
                           "port is 0, host is set and unixsocket is not "
                           "set" },
        { "kvns --metrics-port 6480", "kvns: options: port and metrics-port "
                                      "are both 6480" },
        { "kvns --password-file /nowhere/p",
          "kvns: --password-file: cannot read '/nowhere/p': No such file or "
          "directory" },
        { "kvns --users a:b", "kvns: --users: '(hidden)' given, expected "
                              "name:password:namespace,..." },
        { "kvns ping -p", "kvns: command line: -p: no value given" },
        { "kvns ping -z", "kvns: command line: there is no option '-z'; see "
                          "kvns --help" },
        { "kvns ping a b c d e", "kvns: command line: 'e' is one too many" }
    };
    static char *const bad[] = { "KVNS_PORT=6480x", NULL };
    static char *const both[] = { "KVNS_PASSWORD=a",
                                  "KVNS_PASSWORD_FILE=/x", NULL };

    for (size_t i = 0; i < ROWS(t); i++)
        config_refuses(t[i].line, NULL, config_no_env, t[i].error);
    config_refuses("kvns", NULL, bad, "kvns: KVNS_PORT: '6480x' given, "
                                      "expected a whole number from 0 to "
                                      "65535");
    config_refuses("kvns", NULL, both,
                   "kvns: KVNS_PASSWORD_FILE: is set, and so is the variable "
                   "without _FILE; set one of them");
}

/* What is wrong in a file is told with its line. */
static void test_config_file_errors(void) {
    static const struct {
        const char *text, *error;
    } t[] = {
        { "port 1\n\nport x\n", "3: port: 'x' given, expected a whole number "
                                "from 0 to 65535" },
        { "requirepass a b", "1: requirepass: 2 values given, expected text" },
        { "port \"1", "1: quotes do not match" },
        { "prot 1\n", "1: there is no option 'prot', did you mean 'port'?" },
        { "port\n", "1: port: no value given, expected a whole number from 0 "
                    "to 65535" },
        { "hz 1\ninclude /nowhere/x\n", "2: include: cannot read "
                                        "'/nowhere/x': No such file or "
                                        "directory" },
        { "include", "1: include: no file given" }
    };
    char dir[256], path[300], error[800], line[400];

    config_test_dir(dir);
    for (size_t i = 0; i < ROWS(t); i++) {
        config_test_write(dir, "c", t[i].text, path);
        snprintf(error, sizeof error, "kvns: %s:%s", path, t[i].error);
        config_refuses("kvns ~", path, config_no_env, error);
    }
    snprintf(line, sizeof line, "include %s\n", path);
    config_test_write(dir, "c", line, path);
    snprintf(error, sizeof error, "kvns: %s:1: include: files within files, "
                                  "more than 16 deep", path);
    config_refuses("kvns ~", path, config_no_env, error);
    unlink(path);
    rmdir(dir);
}

/* Directives of Redis that do nothing: a warning, unless nobody meant it. */
static void test_config_warnings(void) {
    static char *const env[] = {
        "KVNS_MEMORY_LIMT=5", "KVNS_XYZZY=1", "KVNS_PORT=tcp://10.0.0.1:80",
        "KVNS_PORT_80_TCP=tcp://10.0.0.1:80", "KVNS_SERVICE_HOST=10.0.0.1",
        "KVNS_APPENDONLY=yes", NULL
    };
    char dir[256], path[300];
    struct options o;
    struct config_result r;

    config_test_dir(dir);
    config_test_write(dir, "c",
                      "appendonly no\nrdbcompression yes\n"
                      "lazyfree-lazy-eviction no\nreplicaof no one\n"
                      "repl-backlog-size 1mb\nauto-aof-rewrite-min-size 64mb\n"
                      "set-proc-title yes\ndynamic-hz yes\nshutdown-timeout "
                      "10\nactiverehashing YES\nsyslog-enabled no\n", path);
    CHECK(config_test_load(&o, &r, "kvns ~", path, config_no_env));
    CHECK_STR(buf_str(&r.warnings), "");
    config_test_end(&o, &r);
    CHECK(config_test_load(&o, &r, "kvns --appendonly yes --slaveof a 1 "
                                   "--user default on >pw", NULL,
                           config_no_env));
    CHECK_STR(buf_str(&r.warnings),
              "--appendonly: 'yes' has no effect: there is no append-only "
              "file\n"
              "--slaveof: 'a 1' has no effect: there is no replication\n"
              "--user: '(hidden)' has no effect: users and users-file say "
              "who may log in\n");
    config_test_end(&o, &r);
    CHECK(config_test_load(&o, &r, "kvns", NULL, env));
    CHECK_STR(buf_str(&r.warnings),
              "KVNS_MEMORY_LIMT: there is no such option, did you mean "
              "KVNS_MEMORY_LIMIT?\n"
              "KVNS_XYZZY: there is no such option\n"
              "KVNS_APPENDONLY: 'yes' has no effect: there is no append-only "
              "file\n");
    CHECK_INT(o.port, 6480);
    config_test_end(&o, &r);
    unlink(path);
    rmdir(dir);
}

static void test_config_secret_file(void) {
    char dir[256], path[300], variable[400];
    char *env[] = { variable, NULL };
    struct options o;
    struct config_result r;

    config_test_dir(dir);
    config_test_write(dir, "p", "pass word\r\n\n", path);
    snprintf(variable, sizeof variable, "KVNS_REQUIREPASS_FILE=%s", path);
    CHECK(config_test_load(&o, &r, "kvns --print-config", NULL, env));
    CHECK_STR(o.password, "pass word");
    buf_put_char(&r.out, '\0');
    CHECK(strstr(r.out.p, "# password is set\n") != NULL);
    CHECK(strstr(r.out.p, "pass word") == NULL);
    config_test_end(&o, &r);
    CHECK(config_test_load(&o, &r, "kvns --password-file ~", path,
                           config_no_env));
    CHECK_STR(o.password, "pass word");
    config_test_end(&o, &r);
    config_test_write(dir, "p", "\n", path);
    CHECK(!config_test_load(&o, &r, "kvns --password-file ~", path,
                            config_no_env));
    CHECK(strstr(r.error, "is empty") != NULL);
    config_test_end(&o, &r);
    unlink(path);
    rmdir(dir);
}

static void test_config_include(void) {
    char dir[256], path[300], inner[300], text[400];
    struct options o;
    struct config_result r;

    config_test_dir(dir);
    config_test_write(dir, "i", "port 7\nhz 20\nsave 60 1\n", inner);
    config_test_write(dir, "c", "save 60 1\nsave\n", path);
    CHECK(config_test_load(&o, &r, "kvns ~", path, config_no_env));
    CHECK(o.save.n == 0 && !o.save.at_exit);
    config_test_end(&o, &r);
    snprintf(text, sizeof text, "port 6\ninclude \"%s\"\nhz 30\nsave 300 10\n",
             inner);
    config_test_write(dir, "c", text, path);
    CHECK(config_test_load(&o, &r, "kvns ~", path, config_no_env));
    CHECK(o.port == 7 && o.hz == 30 && o.save.n == 2);
    config_test_end(&o, &r);
    unlink(inner);
    unlink(path);
    rmdir(dir);
}

/* --print-config is a file that gives the same configuration. */
static void test_config_print(void) {
    char dir[256], path[300];
    struct options o, again;
    struct config_result r, s;

    config_test_dir(dir);
    for (int redis = 0; redis < 2; redis++) {
        CHECK(config_test_load(&o, &r, redis
            ? "kvns --print-config --redis --save 5 5 --unixsocket a\"b\\c"
            : "kvns --print-config --persist-path /x --log-file #f "
              "--ns-limits a:5mb --bind ::1 - * --client-query-buffer-limit "
              "1234567", NULL, config_no_env));
        buf_put_char(&r.out, '\0');
        config_test_write(dir, "c", r.out.p, path);
        CHECK(config_test_load(&again, &s, "kvns ~", path, config_no_env));
        for (size_t i = 0; i < ROWS(option_rows); i++) {
            struct buf a = { 0 }, b = { 0 };

            option_get(&o, &option_rows[i], &a);
            option_get(&again, &option_rows[i], &b);
            unit_check_str(buf_str(&b), buf_str(&a), option_rows[i].name,
                           __FILE__, __LINE__);
            buf_free(&a);
            buf_free(&b);
        }
        config_test_end(&o, &r);
        config_test_end(&again, &s);
    }
    unlink(path);
    rmdir(dir);
}

/* No option is forgotten by --help or by the documentation. */
static void test_config_manual(void) {
    struct buf help = { 0 }, docs = { 0 };

    manual_help(&help);
    options_markdown(&docs);
    buf_put_char(&help, '\0');
    buf_put_char(&docs, '\0');
    for (size_t i = 0; i < ROWS(option_rows); i++) {
        const struct option *row = &option_rows[i];
        char flag[80], cell[80], variable[80];

        snprintf(flag, sizeof flag, "  --%s", row->name);
        snprintf(cell, sizeof cell, "| `%s`", row->name);
        manual_variable(row->name, variable, sizeof variable);
        CHECK(strstr(docs.p, cell) != NULL);
        if (row->type == OPT_FIXED) continue;
        CHECK(strstr(help.p, flag) != NULL);
        CHECK(strstr(docs.p, variable) != NULL);
    }
    buf_free(&help);
    buf_free(&docs);
}

/* Read a file for comparison. */
static struct str config_test_read(const char *path) {
    static struct buf b;

    buf_free(&b);
    CHECK(config_slurp(path, 1 << 20, &b) && buf_put_char(&b, '\0'));
    return str_of(b.p, b.n - 1);
}

static void config_test_change(struct options *o, struct str name,
                               struct str value) {
    struct str pair[2];
    char err[512];

    pair[0] = name;
    pair[1] = value;
    CHECK(options_change(o, 1, pair, err, sizeof err));
}

/* CONFIG REWRITE keeps what it was not told to change. */
static void test_config_rewrite(void) {
    char dir[256], path[300], link[300], err[OPTION_ERR];
    struct options o;
    struct config_result r;
    struct stat st;

    config_test_dir(dir);
    config_test_write(dir, "c",
                      "# a comment\n  timeout   5\nmaxmemory 100mb\n"
                      "\nsave 60 1\nsave 300 10\nloglevel notice\n"
                      "hash-max-ziplist-entries 7\n"
                      "rename-command FLUSHALL \"\"\nhz 30\n# end", path);
    CHECK(chmod(path, 0640) == 0);
    CHECK(config_test_load(&o, &r, "kvns ~ --tcp-keepalive 3", path,
                           config_no_env));
    CHECK(config_rewrite(&o, r.file, err));
    config_test_change(&o, STR("memory-limit"), STR("200mb"));
    config_test_change(&o, STR("save"), STR("9 9"));
    config_test_change(&o, STR("log"), STR("debug"));
    config_test_change(&o, STR("hash-max-listpack-entries"), STR("9"));
    config_test_change(&o, STR("requirepass"), STR("a \"b"));
    config_test_change(&o, STR("notify-keyspace-events"), STR(""));
    CHECK(config_rewrite(&o, r.file, err));
    CHECK_STR(config_test_read(path),
              "# a comment\n  timeout   5\nmaxmemory 200mb\n"
              "\nsave 9 9\nlog debug\n"
              "hash-max-ziplist-entries 9\n"
              "rename-command FLUSHALL \"\"\nhz 30\n# end\n"
              "\n# Generated by CONFIG REWRITE\n"
              "notify-keyspace-events \"\"\npassword \"a \\\"b\"\n");
    config_test_change(&o, STR("maxclients"), STR("5"));
    CHECK(config_rewrite(&o, r.file, err));
    CHECK(strstr(config_test_read(path).p, "REWRITE\nnotify") != NULL);
    CHECK(config_rewrite(&o, r.file, err));
    CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0640);
    config_test_end(&o, &r);

    CHECK(config_test_load(&o, &r, "kvns ~", path, config_no_env));
    CHECK_INT(o.max_clients, 5);
    CHECK_INT(o.memory_limit, 200 << 20);
    CHECK_STR(o.password, "a \"b");
    CHECK_INT(o.save.n, 1);
    snprintf(link, sizeof link, "%s/link", dir);
    CHECK(symlink("c", link) == 0);
    config_test_change(&o, STR("maxclients"), STR("6"));
    CHECK(config_rewrite(&o, link, err));
    CHECK(lstat(link, &st) == 0 && S_ISLNK(st.st_mode));
    CHECK(strstr(config_test_read(path).p, "max-clients 6\n") != NULL);
    unlink(link);
    CHECK(!config_rewrite(&o, NULL, err));
    CHECK_STR(str_c(err), "ERR The server is running without a config file");
    CHECK(!config_rewrite(&o, "/nowhere/c", err));
    CHECK_STR(str_c(err), "ERR Rewriting config file: No such file or "
                          "directory");
    config_test_end(&o, &r);
    unlink(path);
    CHECK(rmdir(dir) == 0);         /* no temporary file stayed */
}

/* Lines of anything: taken, or refused with one line that says where. */
static void test_config_random(void) {
    static const char *const bits[] = {
        "port", "save", "bind", "requirepass", "maxmemory", "appendonly",
        " ", " ", "\n", "\n", "\"", "'", "\\x4", "\\", "#", "1", "100mb",
        "yes", "\xff", "\r", "\t", "client-output-buffer-limit", "log"
    };

    for (int i = 0; i < 500; i++) {
        struct options o;
        struct config_result r;
        struct config__run c = { &o, &r, ORIGIN_FILE, "f", 1, 1, { "", 0 } };
        struct buf text = { 0 };

        memset(&r, 0, sizeof r);
        options_init(&o, false);
        for (uint64_t n = unit_rand() % 40; n > 0; n--) {
            const char *s = bits[unit_rand() % ROWS(bits)];

            buf_put(&text, s, strlen(s));
        }
        if (config__lines(&c, buf_str(&text))) CHECK(r.error[0] == '\0');
        else CHECK(strncmp(r.error, "kvns: f:", 8) == 0
                   && strchr(r.error, '\n') == NULL);
        buf_free(&text);
        config_test_end(&o, &r);
    }
}

#define TESTS_CONFIG                                                         \
    T(test_config_split) T(test_config_precedence) T(test_config_flags)      \
    T(test_config_commands) T(test_config_errors)                            \
    T(test_config_file_errors) T(test_config_warnings)                       \
    T(test_config_secret_file) T(test_config_include) T(test_config_print)   \
    T(test_config_manual) T(test_config_rewrite) T(test_config_random)
