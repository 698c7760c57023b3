#compdef @PROGRAM@
# Completion of @PROGRAM@ for zsh. `source` it after compinit, or put it as _@PROGRAM@ into a directory
# of $fpath, such as /usr/share/zsh/vendor-completions.
_@FUNCTION@_complete() {
	local -a lines candidates
	local line
	local -a names
	lines=("${(@f)$("${(Q)words[1]/#\~/$HOME}" @ASK@ "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
	for line in $lines; do
		case $line in
		:files) names=(_files) ;;
		:directories) names=(_files -/) ;;
		*) candidates+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}") ;;
		esac
	done
	(( $#candidates )) && _describe @PROGRAM@ candidates
	if (( $#names )); then
		[[ $PREFIX == --*=* ]] && compset -P '*='
		$names
	fi
}
if [[ $funcstack[1] == _@PROGRAM@ ]]; then
	_@FUNCTION@_complete "$@"
else
	compdef _@FUNCTION@_complete @PROGRAM@
fi
