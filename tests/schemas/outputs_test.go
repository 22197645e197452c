// Package schemas validates what the program writes against the schemas that others published for these forms.
package schemas

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const now = "2026-11-24T08:00:00Z"

// Every manifest here is a case: what is violated, unproven, accepted, clean, not judged, and called by names that could break a form.
const cases = "testdata/*.yaml"

var program string

func TestMain(m *testing.M) {
	path, err := build()
	if err != nil {
		println(err.Error())
		os.Exit(1)
	}
	program = path
	os.Exit(m.Run())
}

// build makes the program, and returns where it is. PCIZONE names one that is there already.
func build() (string, error) {
	if path := os.Getenv("PCIZONE"); path != "" {
		return path, nil
	}
	command := exec.Command("cargo", "build", "--quiet", "--bin", "pcizone", "--message-format", "json")
	command.Dir = "../.."
	command.Stderr = os.Stderr
	output, err := command.Output()
	if err != nil {
		return "", err
	}
	for line := range bytes.Lines(output) {
		var message struct {
			Executable string `json:"executable"`
		}
		if err := json.Unmarshal(line, &message); err == nil && message.Executable != "" {
			return message.Executable, nil
		}
	}
	return "", errors.New("cargo named no program")
}

// written is what the program writes of a case. Arguments besides come last.
func written(t *testing.T, manifest, form string, arguments ...string) []byte {
	t.Helper()
	arguments = append([]string{"check", "-q", "--now", now, "-f", manifest, "-o", form}, arguments...)
	command := exec.Command(program, arguments...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	// 1: something is violated, 2: a zone was not judged. Then there is a result all the same.
	if exit := new(exec.ExitError); err != nil && !(errors.As(err, &exit) && exit.ExitCode() <= 2) {
		t.Fatalf("%s: %v\n%s", strings.Join(arguments, " "), err, stderr.String())
	}
	if len(output) == 0 {
		t.Fatalf("%s wrote nothing\n%s", strings.Join(arguments, " "), stderr.String())
	}
	return output
}

func each(t *testing.T, check func(t *testing.T, manifest string)) {
	t.Helper()
	manifests, err := filepath.Glob(cases)
	if err != nil || len(manifests) < 4 {
		t.Fatalf("%d cases: %v", len(manifests), err)
	}
	for _, manifest := range manifests {
		t.Run(strings.TrimSuffix(filepath.Base(manifest), ".yaml"), func(t *testing.T) { check(t, manifest) })
	}
}

// replaced is a text in which something was broken. It fails where there was nothing to break.
func replaced(t *testing.T, text []byte, old, new string) []byte {
	t.Helper()
	if !bytes.Contains(text, []byte(old)) {
		t.Fatalf("there is no %q to break", old)
	}
	return bytes.Replace(text, []byte(old), []byte(new), 1)
}
