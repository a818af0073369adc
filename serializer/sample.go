package serializer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// sampleFile is a sample and where it stands.
type sampleFile struct {
	path string
	Sample
}

// sampleJSON is how a sample stands in its file. A JSON payload can be read there; others are base64.
type sampleJSON struct {
	Type        string            `json:"type"`
	Schema      int               `json:"schema"`
	ContentType string            `json:"content_type"`
	Payload     json.RawMessage   `json:"payload,omitempty"`
	Base64      []byte            `json:"payload_base64,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty"`
	Tags        []string          `json:"tags,omitempty"`
	RecordedAt  time.Time         `json:"recorded_at,omitzero"`
}

// readSamples returns the samples in dir, in the order of their files' names; none if there is no such directory.
func readSamples(dir string) (samples []*sampleFile, err error) {
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, f := range files {
		if f.IsDir() || filepath.Ext(f.Name()) != ".json" {
			continue
		}
		s, err := readSample(filepath.Join(dir, f.Name()))
		if err != nil {
			return nil, err
		}
		samples = append(samples, s)
	}
	if err != nil {
		return nil, fmt.Errorf("serializer: look for samples: %w", err)
	}
	return samples, nil
}

func readSample(path string) (*sampleFile, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("serializer: read sample: %w", err)
	}
	s, err := parseSample(data)
	if err != nil {
		return nil, fmt.Errorf("serializer: sample %s: %w", path, err)
	}
	return &sampleFile{path: path, Sample: s}, nil
}

func parseSample(data []byte) (Sample, error) {
	var file sampleJSON
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&file); err != nil {
		return Sample{}, err
	}
	s := Sample{Metadata: file.Metadata, Tags: file.Tags, RecordedAt: file.RecordedAt, Encoded: Encoded{Type: file.Type,
		Schema: file.Schema, ContentType: file.ContentType, Data: file.Payload}}
	switch {
	case file.Type == "" || file.Schema == 0 || file.ContentType == "":
		return Sample{}, errors.New("type, schema or content_type is missing")
	case file.Payload != nil && file.Base64 != nil:
		return Sample{}, errors.New("it has both payload and payload_base64")
	case file.Payload == nil:
		s.Data = file.Base64
	}
	return s, nil
}

// path returns where the n-th sample of a version is written.
func (c *check) path(name string, schema, n int) string {
	file := fmt.Sprintf("%s.v%d", url.PathEscape(name), schema)
	if n > 1 {
		file += fmt.Sprintf(".%d", n)
	}
	return filepath.Join(c.opts.Dir, file+".json")
}

// unused returns where another sample of a type's current version is written.
func (c *check) unused(e *entry) string {
	for n := 2; ; n++ {
		path := c.path(e.name, e.schema, n)
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			return path
		}
	}
}

// write writes a sample to a file that is not there.
func (c *check) write(path string, e Encoded) error {
	file := sampleJSON{Type: e.Type, Schema: e.Schema, ContentType: e.ContentType}
	if e.ContentType == contentTypeJSON {
		file.Payload = e.Data
	} else {
		file.Base64 = e.Data
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(file); err != nil {
		return fmt.Errorf("write sample %s: %w", path, err)
	}
	if err := os.MkdirAll(c.opts.Dir, 0o755); err != nil {
		return fmt.Errorf("write sample: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("write sample: %w", err)
	}
	_, err = f.Write(b.Bytes())
	return errors.Join(err, f.Close())
}
