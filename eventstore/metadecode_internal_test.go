package eventstore

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const plainMetadata = `{"causation_id":"command-000000000012","correlation_id":"request-000000000012","user":"user-12"}`

// storedMetadata is what may stand in a database, whoever wrote it.
var storedMetadata = []string{
	plainMetadata, `{}`, ` { } `, "\t{\n\"a\" :\r\"b\" , \"c\":\"d\" }\n", `{"a":"b"}x`, `{"a":"b"},`, `{"a":"b",}`, `{,}`,
	`{"a":"b"`, `{"a":"b`, `{"a":`, `{"a"`, `{"a`, `{`, ``, ` `, `}`, `null`, `[]`, `"a"`, `{"a":null}`, `{"a":1}`,
	`{"a":{"b":"c"}}`, `{"a":"b","a":"c"}`, `{"a":"b","a":null}`, `{"":""}`, `{"a":"b" "c":"d"}`, `{"a" "b"}`,
	`{"a":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"}`, `{"\u0061":"b","a":"c"}`, `{"a":"\ud83d"}`, `{"a":"\x"}`, `{"a":"\u12"}`,
	`{"é":"日本","😀":"ü"}`, "{\"a\":\"\xff\"}", "{\"\xc3\":\"b\"}", "{\"a\":\"\xed\xa0\x80\"}", "{\"a\":\"\x00\"}",
	"{\"a\":\"\x1f\"}", "{\"a\":\"\x7f\"}", "{\"a\":\"\u2028\"}", "\ufeff{}", "{\"a\":\u00a0\"b\"}", "{\"a\":\v\"b\"}",
	`{"a":"1","b":"2","c":"3","d":"4","e":"5","f":"6","g":"7","h":"8","i":"9","j":"10"}`, `{'a':'b'}`, `{a:"b"}`,
	`{"a":"` + strings.Repeat("b", 1<<16) + `"}`,
}

// decodesLikeJSON compares the decoder with encoding/json, whose words the errors are as well.
func decodesLikeJSON(tb testing.TB, d *metadataDecoder, stored []byte) {
	tb.Helper()
	var want Metadata
	wantErr := json.Unmarshal(stored, &want)
	if len(stored) == 0 {
		want, wantErr = nil, nil
	}
	before := string(stored)
	got, err := d.decode(stored)
	require.Equal(tb, before, string(stored))
	if wantErr != nil {
		require.EqualError(tb, err, "metadata: "+wantErr.Error())
		require.Nil(tb, got)
		return
	}
	require.NoError(tb, err)
	require.Equal(tb, want, got)
}

func TestMetadataIsReadAsEncodingJSONWouldReadIt(t *testing.T) {
	var d metadataDecoder
	for _, stored := range storedMetadata {
		decodesLikeJSON(t, &d, []byte(stored))
		decodesLikeJSON(t, &d, []byte(stored))
	}
}

func FuzzMetadataIsReadAsEncodingJSONWouldReadIt(f *testing.F) {
	for _, stored := range storedMetadata {
		f.Add([]byte(stored))
	}
	f.Fuzz(func(t *testing.T, stored []byte) { decodesLikeJSON(t, new(metadataDecoder), stored) })
}

func TestEqualMetadataOfTwoEventsAreTwoMaps(t *testing.T) {
	var d metadataDecoder
	first, err := d.decode([]byte(plainMetadata))
	require.NoError(t, err)
	first["user"] = "somebody else"
	second, err := d.decode([]byte(plainMetadata))
	require.NoError(t, err)
	require.Equal(t, "user-12", second["user"])
}

func TestMetadataDoesNotKeepTheBytesItWasReadFrom(t *testing.T) {
	stored := []byte(plainMetadata)
	var d metadataDecoder
	md, err := d.decode(stored)
	require.NoError(t, err)
	clear(stored)
	require.Equal(t, "user-12", md["user"])
}

func BenchmarkDecodeMetadata(b *testing.B) {
	other := strings.Replace(plainMetadata, "12", "13", 1)
	for _, c := range []struct {
		name   string
		stored [2]string
	}{{"of one append", [2]string{plainMetadata, plainMetadata}}, {"of different appends", [2]string{plainMetadata, other}},
		{"none", [2]string{}}} {
		b.Run(c.name, func(b *testing.B) {
			stored := [2][]byte{[]byte(c.stored[0]), []byte(c.stored[1])}
			var d metadataDecoder
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := d.decode(stored[i%2]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
