package sqldb

import (
	"regexp"
	"strconv"

	"github.com/aurelius-imaging/aurelius/internal/errs"
)

// compatibleWith is the line of a script that says down to which schema version a binary may be
// and still work on what the script leaves.
var compatibleWith = regexp.MustCompile(`(?m)^-- compatible with (\d+)\s*$`)

// migration is a script to apply and what schema_migrations then says of its component.
type migration struct {
	script         string
	version, floor int64
}

// nextMigration returns what a component needs that is at version and asks binaries for floor,
// nil when it is up to date. It refuses what a newer binary left behind.
func nextMigration(component string, scripts []string, version, floor int64) (*migration, error) {
	const op = "sqldb.Migrate"
	known := int64(len(scripts))
	if floor > known {
		return nil, errs.Errorf(errs.Unsupported, op,
			"%s was brought to schema %d by a newer version; this one knows %d and %d is asked for",
			component, version, known, floor)
	}
	if version >= known {
		return nil, nil
	}
	m := &migration{script: scripts[version], version: version + 1, floor: version}
	if stated := compatibleWith.FindStringSubmatch(m.script); stated != nil {
		var err error
		if m.floor, err = strconv.ParseInt(stated[1], 10, 32); err != nil {
			return nil, errs.E(errs.Internal, op, err)
		}
	}
	return m, nil
}
