package postgres

import (
	"context"
	"net"
	"time"
)

// dialer makes connections that are lost when the other side's network has not acknowledged what was sent within ack, or
// has not answered a probe while nothing is sent. Without it that takes a quarter of an hour.
type dialer struct{ ack time.Duration }

func (d dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	nd := net.Dialer{Control: limitAck(d.ack)}
	nd.KeepAliveConfig = net.KeepAliveConfig{Enable: true, Idle: d.ack / 2, Interval: d.ack / 6, Count: 3}
	return nd.DialContext(ctx, network, address)
}
