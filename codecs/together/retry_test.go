package together_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/eventstore/driver"
)

func TestAnAppendMayBeTriedAgainByAReleaseWithAnotherCodec(t *testing.T) {
	onEachDriver(t, func(t *testing.T, d driver.Store) {
		event := eventstore.NewEvent{ID: uuid.Must(uuid.NewV7()), Payload: large}
		for i, codec := range releases() {
			s, err := eventstore.New(d, before(codec), nil)
			require.NoError(t, err)
			receipt, err := s.Append(t.Context(), ada, eventstore.Any, event)
			require.NoError(t, err)
			require.Equal(t, i > 0, receipt.Duplicate, codec.ContentType())
		}
	})
}
