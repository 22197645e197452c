// Package gitops shows what GitOps tools make of a PciZone in each phase of its life.
//
// The phases are whole objects as the operator leaves them; phases/ is written by the tests of the engine.
// What Flux and Argo CD must say about them stands in one table, here.
package gitops

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/yaml"
)

// whileDeleting ends the name of a phase that is one of phases/ with a zone that is being deleted besides.
const whileDeleting = "-while-deleting"

// expectation is what the tools must say about one phase.
type expectation struct {
	// phase is the name of the file in phases/, without its ending, and maybe with whileDeleting.
	phase string
	// kstatus is what Flux and other waiters compute.
	kstatus status.Status
	// health is what Argo CD shows.
	health string
	// says is the condition whose message Argo CD must show, so that users read what to do.
	says string
}

var expectations = []expectation{
	{"applied-unseen", status.InProgressStatus, "Progressing", ""},
	{"applying", status.InProgressStatus, "Progressing", "Reconciling"},
	{"in-place", status.CurrentStatus, "Healthy", "Compliant"},
	{"observing", status.CurrentStatus, "Healthy", "Compliant"},
	{"stale-generation", status.InProgressStatus, "Progressing", ""},
	{"change-not-confirmed", status.FailedStatus, "Degraded", "Stalled"},
	{"claimed-twice", status.FailedStatus, "Degraded", "Stalled"},
	{"missing-rights", status.FailedStatus, "Degraded", "Stalled"},
	{"spec-invalid", status.FailedStatus, "Degraded", "Stalled"},
	{"violated", status.CurrentStatus, "Healthy", "Compliant"},
	{"deleting-unconfirmed", status.TerminatingStatus, "Progressing", "Stalled"},
	{"claimed-twice" + whileDeleting, status.TerminatingStatus, "Progressing", "Stalled"},
	{"missing-rights" + whileDeleting, status.TerminatingStatus, "Progressing", "Stalled"},
	{"spec-invalid" + whileDeleting, status.TerminatingStatus, "Progressing", "Stalled"},
	{"releasing", status.TerminatingStatus, "Progressing", ""},
}

func TestEveryPhaseHasARowAndEveryRowAPhase(t *testing.T) {
	files, err := filepath.Glob("phases/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for _, row := range expectations {
		if rows[row.phase] {
			t.Errorf("phase %s has two rows", row.phase)
		}
		rows[row.phase] = true
	}
	for phase := range rows {
		if of, ok := strings.CutSuffix(phase, whileDeleting); ok && rows[of] {
			delete(rows, phase)
		}
	}
	for _, file := range files {
		phase := strings.TrimSuffix(filepath.Base(file), ".yaml")
		if !rows[phase] {
			t.Errorf("%s has no row", file)
		}
		delete(rows, phase)
	}
	for phase := range rows {
		t.Errorf("row %s has no file in phases/", phase)
	}
}

func TestKstatusOfEveryPhase(t *testing.T) {
	for _, row := range expectations {
		t.Run(row.phase, func(t *testing.T) {
			result, err := status.Compute(zoneIn(t, row.phase))
			if err != nil {
				t.Fatal(err)
			}
			if result.Status != row.kstatus {
				t.Errorf("kstatus is %s (%s), not %s", result.Status, result.Message, row.kstatus)
			}
		})
	}
}

// The default on status is what keeps waiters waiting before the operator has seen a zone.
func TestAZoneWithoutAnyStatusWouldCountAsCurrent(t *testing.T) {
	zone := zoneIn(t, "applied-unseen")
	unstructured.RemoveNestedField(zone.Object, "status")
	result, err := status.Compute(zone)
	if err != nil {
		t.Fatal(err)
	}
	if result.Status != status.CurrentStatus {
		t.Errorf("kstatus is %s: the default of -1 in the definition is no longer needed", result.Status)
	}
}

// zoneIn returns the zone in a phase.
func zoneIn(t *testing.T, phase string) *unstructured.Unstructured {
	t.Helper()
	return parse(t, phase, phaseText(t, phase))
}

// phaseText returns the zone in a phase as a file.
func phaseText(t *testing.T, phase string) string {
	t.Helper()
	file, deleting := strings.CutSuffix(phase, whileDeleting)
	text := read(t, filepath.Join("phases", file+".yaml"))
	if !deleting {
		return text
	}
	// An object that is being deleted exists only as long as it has a finalizer.
	const created = "  creationTimestamp: \"2026-10-01T00:00:00Z\"\n"
	more := created + "  deletionTimestamp: \"2026-11-24T07:30:00Z\"\n"
	if !strings.Contains(text, "  finalizers:\n") {
		more += "  finalizers:\n  - pcizone.dev/protection\n"
	}
	if !strings.Contains(text, created) {
		t.Fatalf("phases/%s.yaml has not the line %q", file, created)
	}
	return strings.Replace(text, created, more, 1)
}

// load reads an object from a file.
func load(t *testing.T, file string) *unstructured.Unstructured {
	t.Helper()
	return parse(t, file, read(t, file))
}

// parse reads an object as an API client does: whole numbers are int64.
func parse(t *testing.T, name, text string) *unstructured.Unstructured {
	t.Helper()
	json, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(json); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return object
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// condition returns a field of a condition.
func condition(t *testing.T, zone *unstructured.Unstructured, kind, field string) string {
	t.Helper()
	conditions, _, err := unstructured.NestedSlice(zone.Object, "status", "conditions")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range conditions {
		if c, ok := c.(map[string]any); ok && c["type"] == kind {
			value, _ := c[field].(string)
			return value
		}
	}
	t.Fatalf("no condition %s", kind)
	return ""
}
