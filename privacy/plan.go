package privacy

import (
	"fmt"
	"reflect"
)

// plan says where the personal values are in what a Go type is written as. A nil plan knows of none.
type plan struct {
	goType  reflect.Type
	kind    planKind
	members map[string]*member // of an object, by the name that is written
	subject string             // the member that names the subject of an object; empty if none does
	elem    *plan              // of a list or dictionary
}

type planKind int

const (
	anObject planKind = iota
	aList
	aDictionary
)

// member is one field.
type member struct {
	personal bool
	fallback []byte
	zero     []byte // as it is written; nil if it can't be
	inner    *plan
}

// String names the type that the plan is for.
func (p *plan) String() string { return p.goType.String() }

// member returns what is known of a member that is written, nil if nothing is special about it. A member that the plan
// should know and does not may well be a personal one under a name that the codec gave it.
func (p *plan) member(name string) (*member, error) {
	switch {
	case p == nil:
		return nil, nil
	case p.kind == aDictionary:
		return &member{inner: p.elem}, nil
	}
	m, ok := p.members[name]
	if !ok {
		return nil, fmt.Errorf("the codec writes %q, which is not a field's name in %v: whether it is personal can't be told; "+
			"name the fields by json tags", name, p.goType)
	}
	return m, nil
}

func (m *member) plan() *plan {
	if m == nil {
		return nil
	}
	return m.inner
}

// each returns the plan of a list's elements.
func (p *plan) each() *plan {
	if p == nil {
		return nil
	}
	return p.elem
}

// planner makes the plans of one registered type and of all that is in it. A type can contain itself.
type planner struct {
	plans     map[reflect.Type]*plan
	embedding map[reflect.Type]bool // embedded structs that are being gone through
}

// planOf returns the plan for a Go type, nil if nothing in it is personal. subject says that the type has a method that
// names the subject.
func planOf(t reflect.Type, subject bool) (*plan, error) {
	pl := planner{plans: map[reflect.Type]*plan{}, embedding: map[reflect.Type]bool{}}
	root, err := pl.plan(t)
	if err != nil {
		return nil, err
	}
	personal := pl.personal()
	pl.prune(personal)
	if !personal[root] {
		return nil, nil
	}
	return root, checkSubjects(root, subject, map[visit]bool{})
}

func (pl planner) plan(t reflect.Type) (*plan, error) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if p, ok := pl.plans[t]; ok {
		return p, nil
	}
	if opaque(t) {
		return nil, checkOpaque(t)
	}
	p := &plan{goType: t}
	var err error
	switch t.Kind() {
	case reflect.Struct:
		pl.plans[t] = p
		p.members = map[string]*member{}
		err = pl.fields(p, t)
	case reflect.Slice, reflect.Array:
		p.kind = aList
		pl.plans[t] = p
		p.elem, err = pl.plan(t.Elem())
	case reflect.Map:
		p.kind = aDictionary
		pl.plans[t] = p
		p.elem, err = pl.plan(t.Elem())
	default:
		return nil, nil
	}
	return p, err
}

// fields adds the fields of a struct, and those of structs that are embedded in it, to the plan.
func (pl planner) fields(p *plan, t reflect.Type) error {
	for i := range t.NumField() {
		if err := pl.field(p, t.Field(i)); err != nil {
			return fmt.Errorf("field %s of %v: %w", t.Field(i).Name, t, err)
		}
	}
	return nil
}

func (pl planner) field(p *plan, f reflect.StructField) error {
	tag, err := parseTag(f)
	if err != nil {
		return err
	}
	name, written := writtenName(f)
	if !written {
		return tag.checkUnwritten()
	}
	if name == "" {
		return pl.embedded(p, f, tag)
	}
	m := &member{personal: tag.personal}
	if tag.personal { // and sealed as a whole, whatever is in it
		m.zero, m.fallback, err = fallbackOf(f, tag)
	} else {
		m.inner, err = pl.plan(f.Type)
	}
	if err != nil {
		return err
	}
	return p.add(name, m, tag)
}

// embedded adds the fields of an embedded struct, which are written as if they were the outer one's.
func (pl planner) embedded(p *plan, f reflect.StructField, tag tag) error {
	if tag.personal || tag.subject {
		return fmt.Errorf("its fields are written one by one: tag them, or give %s a name by a json tag", f.Name)
	}
	t := f.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if pl.plans[t] == p || pl.embedding[t] {
		return nil // it embeds itself, and encoding/json leaves it out
	}
	pl.embedding[t] = true
	defer delete(pl.embedding, t)
	return pl.fields(p, t)
}

// add takes a field in. Of two with one name encoding/json writes one or none, depending on depth and tags; where that
// could matter, it is refused.
func (p *plan) add(name string, m *member, tag tag) error {
	if other, taken := p.members[name]; taken {
		if other.personal || m.personal || tag.subject || p.subject == name || other.inner != nil || m.inner != nil {
			return fmt.Errorf("another field is written as %q, too", name)
		}
	}
	if tag.subject {
		if p.subject != "" {
			return fmt.Errorf("%q is tagged as the subject, too: a struct has one", p.subject)
		}
		p.subject = name
	}
	p.members[name] = m
	return nil
}

// personal returns the plans in which, or somewhere below which, there is a personal field.
func (pl planner) personal() map[*plan]bool {
	found := map[*plan]bool{}
	for more := true; more; {
		more = false
		for _, p := range pl.plans {
			if !found[p] && p.leadsTo(found) {
				found[p], more = true, true
			}
		}
	}
	return found
}

func (p *plan) leadsTo(found map[*plan]bool) bool {
	for _, m := range p.members {
		if m.personal || found[m.inner] {
			return true
		}
	}
	return found[p.elem]
}

// prune takes out what leads to nothing personal, so that nobody looks there.
func (pl planner) prune(personal map[*plan]bool) {
	for _, p := range pl.plans {
		if !personal[p.elem] {
			p.elem = nil
		}
		for _, m := range p.members {
			if !personal[m.inner] {
				m.inner = nil
			}
		}
	}
}

// visit is a plan that was reached with or without a subject known.
type visit struct {
	p       *plan
	subject bool
}

// checkSubjects returns an error for a personal field of which nothing says whose it is.
func checkSubjects(p *plan, subject bool, seen map[visit]bool) error {
	if p == nil || seen[visit{p, subject}] {
		return nil
	}
	seen[visit{p, subject}] = true
	subject = subject || p.subject != ""
	for name, m := range p.members {
		if m.personal && !subject {
			return fmt.Errorf("field %q of %v is personal, and nothing says whose it is: tag a field with `privacy:\"subject\"`, "+
				"or give the registered type a method PrivacySubject", name, p.goType)
		}
		if err := checkSubjects(m.inner, subject, seen); err != nil {
			return err
		}
	}
	return checkSubjects(p.elem, subject, seen)
}
