# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of virt-vsmmu(1). The program itself says what a word may become: see tools/complete.h.

function __virt_vsmmu_complete
    set -l words (commandline -opc)
    set -l word (commandline -ct)
    set -l program (string replace -r '^~' "$HOME" -- $words[1])
    set -e words[1]
    for line in ($program complete -- $words "$word" 2>/dev/null)
        set -l fields (string split \t -- $line)
        if test "$fields[1]" != :files
            echo $line
            continue
        end
        set -l before $fields[3]
        for path in (__fish_complete_path (string replace -- "$before" '' "$word"))
            set -l name (string split -m 1 \t -- $path)[1]
            if string match -q -- $fields[2] $name; or string match -q '*/' -- $name
                echo $before$path
            end
        end
    end
end

complete -c virt-vsmmu -f -a '(__virt_vsmmu_complete)'
