# SPDX-License-Identifier: MIT
"""Tests that need more than a client who lives in a namespace may do.

Names as pytest prints them, without the parameters where all of a test's
are meant; a file alone means all of it.  Each gets the marker admin, and so
do those that start servers of their own.
"""

ADMIN = """
test_blocking.py::test_whatever_makes_a_list_wakes[SWAPDB]
test_client.py::test_a_paused_client_may_leave          CLIENT PAUSE
test_client.py::test_info_is_true                       user=default
test_client.py::test_kill_by_filters                    USER default
test_client.py::test_pause_holds_transactions_that_write
test_client.py::test_pause_of_everything_ends_by_itself
test_client.py::test_pause_of_writes
test_client.py::test_refusals[args12-                   CLIENT PAUSE
test_client.py::test_refusals[args13-
test_client.py::test_refusals[args14-
test_client.py::test_refusals[args17-                   CLIENT NO-EVICT
test_client.py::test_refusals[args20-
test_client.py::test_errors_of_unblock_are_counted      CONFIG RESETSTAT
test_client.py::test_switches                           CLIENT NO-EVICT
test_config.py                                          CONFIG SET
test_connection.py::test_auth_without_a_password        there is one
test_connection.py::test_reset                          RESET leaves
test_accounting.py                                      the process
test_eviction.py                                        NAMESPACE
test_hostile.py::test_a_byte_at_a_time                  the process
test_hostile.py::test_fewer_descriptors_than_clients    the process
test_hostile.py::test_keepalive_is_on                   the process
test_hostile.py::test_more_clients_at_run_time          the process
test_hostile.py::test_the_limit_of_descriptors_is_raised
test_compatibility.py::test_acl_whoami_and_users        who is default
test_compatibility.py::test_failover                    FAILOVER
test_field_ttl.py::test_a_watched_hash_loses_a_field    DEBUG
test_hyperloglog.py::test_damaged_bytes                 PFDEBUG
test_hyperloglog.py::test_pfdebug_and_selftest
test_hyperloglog.py::test_the_bytes_are_redis           PFDEBUG
test_hyperloglog.py::test_what_is_none                  PFDEBUG
test_info.py                                            all of the server
test_keys.py::test_default_is_the_same_key              prefixes
test_keys.py::test_default_namespace                    prefixes
test_keys.py::test_object_freq                          CONFIG SET
test_keys.py::test_swapdb
test_keys.py::test_watch_and_flush[SWAPDB
test_namespaces.py                                      NAMESPACE
test_observe.py                                         SLOWLOG, MONITOR
test_probe.py                                           the process
test_pubsub.py::test_a_slow_subscriber_is_cut_off       CONFIG SET
test_pubsub.py::test_not_while_subscribed               RESET leaves
test_refusals.py::test_arguments                        all there is
test_refusals.py::test_values_of_options                CONFIG SET
test_scan.py::test_patterns[big1/*                      many namespaces
test_server_commands.py::test_config_get_patterns       CONFIG GET
test_safety.py::test_paths_are_not_for_clients          CONFIG SET
test_starting.py                                        the process
test_streams.py::test_a_group_reader_hears_of_the_end   SWAPDB
test_streams.py::test_options                           CONFIG SET
test_sync.py                                            SYNC
test_tracking.py::test_as_redis_server                  a server without users
test_tracking.py::test_messages_are_no_parts_of_replies
test_tracking.py::test_names                            prefixes
test_tracking.py::test_records_go_with_the_last_tracker INFO of all
test_tracking.py::test_redis_py_keeps_values            commandstats
test_tracking.py::test_the_table_is_bounded             CONFIG SET
test_tracking.py::test_the_table_shrinks_with_its_bound
test_tracking.py::test_what_is_told_of_clients          INFO of all
test_tx.py::test_quit_and_reset_inside                  RESET leaves
test_tx.py::test_reset_unwatches                        RESET leaves
test_tx.py::test_spoilt[bad4-                           SHUTDOWN
test_tx.py::test_spoilt[bad5-                           SAVE
test_tx.py::test_watch[                                 SWAPDB
test_users.py                                           NAMESPACE USER
"""

NAMES = tuple(line.split("  ")[0].split(" INFO")[0].strip()
              for line in ADMIN.splitlines() if line)


def needs_more(nodeid):
    path, _, test = nodeid.partition("::")
    test = path.rsplit("/", 1)[-1] + "::" + test
    return test.startswith(NAMES) or any(
        name in nodeid for name in NAMES if "[" in name)
