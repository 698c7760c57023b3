# Completion of @PROGRAM@ for fish. `source` it, or put it as @PROGRAM@.fish into
# /usr/share/fish/vendor_completions.d.
function __@FUNCTION@_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l before (string match -r -- '^--[^=]*=' $current)
    set -l value (string replace -r -- '^--[^=]*=' '' $current)
    for line in ($words[1] @ASK@ $words[2..-1] $current 2>/dev/null)
        switch $line
            case ':files'
                for path in (__fish_complete_path $value)
                    echo "$before$path"
                end
            case ':directories'
                for path in (__fish_complete_directories $value '')
                    echo "$before$path"
                end
            case '*'
                echo $line
        end
    end
end
complete -c @PROGRAM@ -f -a '(__@FUNCTION@_complete)'
