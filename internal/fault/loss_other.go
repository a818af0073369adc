//go:build !linux

package fault

func (l *link) deafen() {}
