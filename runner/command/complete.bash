# Completion of @PROGRAM@ for bash. `source` it, or put it as @PROGRAM@ into
# /usr/share/bash-completion/completions.
_@FUNCTION@_complete() {
	local current=${COMP_WORDS[COMP_CWORD]} word about
	[[ $current == '=' ]] && current=
	COMPREPLY=()
	while IFS=$'\t' read -r word about; do
		case $word in
		:files)
			compopt -o filenames 2>/dev/null
			while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "$current")
			;;
		:directories)
			compopt -o filenames 2>/dev/null
			while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -d -- "$current")
			;;
		*) COMPREPLY+=("$word") ;;
		esac
	done < <("${COMP_WORDS[0]/#\~/$HOME}" @ASK@ "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _@FUNCTION@_complete @PROGRAM@
