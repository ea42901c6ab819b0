# SPDX-License-Identifier: MIT
# Print each line of C sources as "path<TAB>line<TAB>code", where comments are
# gone and strings and characters are empty, so that the checks see code only.
FNR == 1 { inside = 0 }
{
    left = $0
    code = ""
    while (left != "") {
        if (inside) {
            at = index(left, "*/")
            if (at == 0) break
            left = substr(left, at + 2)
            inside = 0
        } else if (match(left, /["']|\/\*|\/\//)) {
            code = code substr(left, 1, RSTART - 1)
            mark = substr(left, RSTART, 1)
            if (mark == "/" && substr(left, RSTART + 1, 1) == "/") break
            left = substr(left, RSTART + (mark == "/" ? 2 : 1))
            if (mark == "/") {
                inside = 1
                code = code " "
                continue
            }
            while (left != "" && substr(left, 1, 1) != mark)
                left = substr(left, substr(left, 1, 1) == "\\" ? 3 : 2)
            left = substr(left, 2)
            code = code mark mark
        } else {
            code = code left
            break
        }
    }
    print FILENAME "\t" FNR "\t" code
}
