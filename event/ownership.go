package event

import (
	"slices"
	"sort"
)

// OwnerAt is who has a number at a moment, "" = nobody. Owners ascend by From; the first one has all time before, too.
// Who gives up a number that is not his changes nothing.
func OwnerAt(owners []*Ownership, at int64) string {
	who, first := "", true
	for _, o := range owners {
		switch {
		case o.CustomerId != "":
			if first || o.From <= at {
				who = o.CustomerId
			}
			first = false
		case o.From <= at && (o.ReleasedBy == "" || o.ReleasedBy == who):
			who = ""
		}
	}
	return who
}

// Own puts a change of hands in its place. Of one moment's, a number is given up before somebody else gets it, of two who
// get it the later arrival has it, and of what the same customer says of it the later arrival holds.
func Own(owners []*Ownership, o *Ownership) []*Ownership {
	owners = slices.DeleteFunc(owners, func(x *Ownership) bool {
		return x.From == o.From && (x.CustomerId == "") == (o.CustomerId == "") && x.ReleasedBy == o.ReleasedBy
	})
	i := sort.Search(len(owners), func(i int) bool { return owners[i].From > o.From })
	for o.CustomerId == "" && i > 0 && owners[i-1].From == o.From && owners[i-1].CustomerId != o.ReleasedBy {
		i--
	}
	return slices.Insert(owners, i, o)
}
