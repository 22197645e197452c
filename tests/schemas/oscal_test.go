package schemas

import (
	"encoding/json"
	"testing"

	"github.com/defenseunicorns/go-oscal/src/pkg/validation"
)

func validateOSCAL(text []byte) error {
	validator, err := validation.NewValidatorDesiredVersion(text, "1.1.3")
	if err != nil {
		return err
	}
	return validator.Validate()
}

func TestOSCALIsValidByTheSchemaOfNIST(t *testing.T) {
	each(t, func(t *testing.T, manifest string) {
		text := written(t, manifest, "oscal")
		if err := validateOSCAL(text); err != nil {
			t.Error(err)
		}
		references(t, text)
	})
}

// No schema says that what is referred to is there, nor that an id is there once.
func references(t *testing.T, text []byte) {
	t.Helper()
	var document any
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	ids, named := map[string]int{}, map[string]bool{}
	var walk func(value any)
	walk = func(value any) {
		switch value := value.(type) {
		case map[string]any:
			for key, value := range value {
				if text, ok := value.(string); ok {
					switch key {
					case "uuid":
						ids[text]++
					case "observation-uuid", "risk-uuid", "subject-uuid":
						named[text] = true
					case "href":
						named[text[1:]] = true
					}
				}
				walk(value)
			}
		case []any:
			for _, value := range value {
				walk(value)
			}
		}
	}
	walk(document)
	if len(named) == 0 {
		t.Error("nothing is referred to")
	}
	for id, times := range ids {
		if times > 1 {
			t.Errorf("%s is the id of %d things", id, times)
		}
	}
	for id := range named {
		if ids[id] == 0 {
			t.Errorf("%s is the id of nothing", id)
		}
	}
}

func TestOSCALThatIsBrokenIsRefused(t *testing.T) {
	text := written(t, "testdata/violated.yaml", "oscal")
	for _, row := range [][2]string{
		{`"state": "not-satisfied"`, `"state": "unproven"`},
		{`"target-id": "pci`, `"target-id": "1pci`},
		{`"uuid": "`, `"uuid": "x`},
		{`"methods"`, `"method"`},
		{`"collected": "2026-11-24T08:00:00Z"`, `"collected": "2026-11-24"`},
		{`"value": "`, `"value": " `},
		{`"import-ap"`, `"import"`},
	} {
		if validateOSCAL(replaced(t, text, row[0], row[1])) == nil {
			t.Errorf("%s in place of %s is valid", row[1], row[0])
		}
	}
}
