#!/bin/sh
# What the service's account needs in Active Directory: make the account as an ordinary user, then run
# this as a domain administrator wherever Samba's samba-tool is:
#
#     rights-active-directory.sh mi-ldap OU=people,DC=example,DC=org OU=groups,DC=example,DC=org \
#         -H ldap://dc.example.org -U 'EXAMPLE\administrator'
#
# On Windows give the same rights with dsacls; each block below names its lines, to be called as
#
#     dsacls "OU=people,DC=example,DC=org" /I:S /G "EXAMPLE\mi-ldap:..."
#
# The service keeps its marks in adminDescription and adminDisplayName, which people can't write of
# themselves. It may not rename anybody, nor read a password, which Active Directory shows nobody.
set -eu
account=$1 people=$2 groups=$3
shift 3

# samba-tool would ask for the password at each call, and nobody would see it ask.
if [ -t 0 ] && [ -z "${PASSWD-}" ] && printf '%s\n' "$@" | grep -qx -e -U; then
    printf 'Password: ' >&2
    stty -echo
    read -r PASSWD
    stty echo
    echo >&2
    export PASSWD
fi

sid=$(samba-tool user show "$account" --attributes=objectSid "$@" | sed -n 's/^objectSid: //p')
[ -n "$sid" ] || { echo "There is no account $account." >&2; exit 1; }

user=bf967aba-0de6-11d0-a285-00aa003049e2
group=bf967a9c-0de6-11d0-a285-00aa003049e2
aces=

# writes CLASS ATTRIBUTE_GUID...: on all entries of the class.
writes() {
    class=$1
    shift
    for attribute; do
        aces="$aces(OA;CIIO;WP;$attribute;$class;$sid)"
    done
}

# give FOLDER: the collected rights. For an ACE that is there already nothing changes.
give() {
    folder=$1
    shift
    samba-tool dsacl set --objectdn="$folder" --sddl="$aces" "$@" >/dev/null
    aces=
}

# Sees all of the folder, and makes and removes users there.
#   /I:T ...:GR      /I:T ...:CCDC;user
aces="(A;CI;LCRPLO;;;$sid)(OA;CI;CCDC;$user;;$sid)"
# Resets passwords without the old one.
#   "...:CA;Reset Password;user"
aces="$aces(OA;CIIO;CR;00299570-246d-11d0-a768-00aa006e0529;$user;$sid)"
# pwdLastSet, lockoutTime, userAccountControl: a change is forced, a lock is lifted, an account made
# without a password is enabled with its first one.
#   "...:WP;pwdLastSet;user" and so on for each attribute
writes $user \
    bf967a0a-0de6-11d0-a285-00aa003049e2 \
    28630ebf-41d5-11d1-a9c1-0000f80367c1 \
    bf967a68-0de6-11d0-a285-00aa003049e2
# sAMAccountName, userPrincipalName, sn, displayName, mail
writes $user \
    3e0abfd0-126a-11d0-a060-00aa006c33ed \
    28630ebb-41d5-11d1-a9c1-0000f80367c1 \
    bf967a41-0de6-11d0-a285-00aa003049e2 \
    bf967953-0de6-11d0-a285-00aa003049e2 \
    bf967961-0de6-11d0-a285-00aa003049e2
# adminDescription, adminDisplayName
writes $user \
    bf967919-0de6-11d0-a285-00aa003049e2 \
    bf96791a-0de6-11d0-a285-00aa003049e2
give "$people" "$@"

# Sees all of the folder, and makes and removes groups there.
#   /I:T ...:GR      /I:T ...:CCDC;group
aces="(A;CI;LCRPLO;;;$sid)(OA;CI;CCDC;$group;;$sid)"
# member, adminDescription, adminDisplayName
#   "...:WP;member;group" and so on for each attribute
writes $group \
    bf9679c0-0de6-11d0-a285-00aa003049e2 \
    bf967919-0de6-11d0-a285-00aa003049e2 \
    bf96791a-0de6-11d0-a285-00aa003049e2
give "$groups" "$@"
echo "$account may now manage users in $people and groups in $groups."
