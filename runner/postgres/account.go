package postgres

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// account is the user that the server runs as and that owns its files.
type account struct {
	name     string
	uid, gid int
	switches bool // whether it differs from the user of this process
}

// serverAccount returns the user of this process. When that is root, it returns an unprivileged
// user instead, because initdb and postgres refuse to run as root.
func serverAccount() (account, error) {
	if uid := os.Geteuid(); uid != 0 {
		return account{name: "uid " + strconv.Itoa(uid), uid: uid, gid: os.Getegid()}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		if found, err := user.Lookup(name); err == nil {
			return accountOf(found)
		}
	}
	return account{}, errors.New("choose a user: PostgreSQL refuses to run as root and there is neither a user postgres" +
		" nor nobody; create one of them or run this as an ordinary user")
}

func accountOf(u *user.User) (account, error) {
	uid, uidErr := strconv.Atoi(u.Uid)
	gid, gidErr := strconv.Atoi(u.Gid)
	if err := errors.Join(uidErr, gidErr); err != nil {
		return account{}, fmt.Errorf("read ids of user %s: %w", u.Username, err)
	}
	return account{name: "user " + u.Username, uid: uid, gid: gid, switches: true}, nil
}

// credential makes a child run as the account; it is nil when the child does so anyway.
// Supplementary groups are dropped, or the server would keep root's.
func (a account) credential() *syscall.Credential {
	if !a.switches {
		return nil
	}
	return &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
}
