// Package privacy stores personal data so that a person can be forgotten, though events are never deleted.
//
// What is personal is sealed: encrypted by a key of the person that it is about, the subject. The keys are kept in a
// table of their own, wrapped by a master key. Forgetting a subject destroys its key. Its events stay where they are,
// in the log, in backups and in replicas, and from then on load with fallbacks in the place of what was personal, on
// every read path.
//
//	type Registered struct {
//		Customer string `json:"customer" privacy:"subject"`
//		Name     string `json:"name" privacy:"personal,fallback=[forgotten]"`
//		Born     string `json:"born" privacy:"personal"`
//		Country  string `json:"country"`
//	}
//
//	vault, err := privacy.Open(ctx, reg, keys, master, nil)
//	store, err := eventstore.New(drv, reg, &eventstore.Options{Protector: vault})
//	known, err := vault.Forget(ctx, "c-1042")
//
// In the database the payload keeps its shape: plain fields can be queried with SQL, and a personal one holds a text
// that begins with "tidemark-sealed:". Without fallback=VALUE the fallback is what the field's zero value is written as.
// VALUE is taken as it is for a field that holds text, and as JSON for others. It is stored with the value, so that it
// fits even when the Go type that declared it is gone.
//
// A subject tag counts for the struct that it stands in and everything below. Where it is not a field that says whose
// the data is, or where all of a payload is personal, the registered type has methods: see [Subject] and [Personal].
// Fields behind an interface are not looked into: tag the field that holds the interface.
//
// What is sealed is bound to its event: its stream, id, name and schema version, the place in the payload and the
// subject. Moved elsewhere it does not open. docs/privacy.md has the threat model, and what to do with keys.
package privacy
