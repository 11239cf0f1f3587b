# Writes Redis' users.acl from the rules of each user and the passwords of the mounted Secrets. Only SHA-256
# hashes are written, into memory, and nothing secret is ever an argument of a process.
#
# In:  /acl/rules/<file>.acl       a user without a password, as shared with every other way to run this Redis
#      /acl/users                  a line a user: the file of its rules, its name
#      /acl/passwords/<file>       its password; a newline at the end is ignored
# Out: /acl/rendered/users.acl
set -eu
root=${1:-/acl}
umask 077
rendered=$root/rendered/users.acl.new

{
  # Nobody comes in without a name; but Redis reads its append-only file back with the rights of `default`, and without
  # them leaves out every transaction, which is every vote. `probe` may only say PING, which is all that a kubelet has
  # to know.
  echo 'user default off resetpass allkeys allchannels +@all'
  echo 'user probe on nopass resetkeys resetchannels -@all +ping'
} >"$rendered"

while read -r file name; do
  password=$(cat "$root/passwords/$file")
  if [ -z "$password" ]; then
    echo "the password of $name is empty: check the Secret that is mounted as $root/passwords/$file" >&2
    exit 1
  fi
  hash=$(printf %s "$password" | sha256sum)
  rules=$(sed 's/^user [^ ]* //' "$root/rules/$file.acl")
  echo "user $name $rules #${hash%% *}" >>"$rendered"
done <"$root/users"

mv "$rendered" "$root/rendered/users.acl"
echo "wrote $(wc -l <"$root/rendered/users.acl") users"
