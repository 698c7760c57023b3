# Completion of shard-clientctl for fish: it takes the commands of shard-client, which answers for it,
# because only root may run shard-clientctl.
complete -c shard-clientctl -f -a '(complete -C (string replace -r "^\S+" shard-client -- (commandline -cp)))'
