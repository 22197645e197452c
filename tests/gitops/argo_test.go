package gitops

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/yaml"
)

const argo = "../../deploy/argo"

var update = flag.Bool("update", false, "write health_test.yaml and testdata/ of deploy/argo anew from phases/")

type health struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

func TestArgoHealthOfEveryPhase(t *testing.T) {
	for _, row := range expectations {
		t.Run(row.phase, func(t *testing.T) {
			zone := zoneIn(t, row.phase)
			for _, libraries := range []bool{false, true} {
				got := check(t, zone, libraries)
				if got.Status != row.health {
					t.Errorf("health is %s (%s), not %s", got.Status, got.Message, row.health)
				}
				if row.says != "" && !strings.Contains(got.Message, condition(t, zone, row.says, "message")) {
					t.Errorf("the message %q does not hold that of %s", got.Message, row.says)
				}
				if got.Message == "" {
					t.Error("the message is empty")
				}
			}
		})
	}
}

func TestArgoHealthWithoutStatusOrConditionsIsProgressing(t *testing.T) {
	for _, field := range [][]string{{"status"}, {"status", "conditions"}, {"status", "observedGeneration"}} {
		t.Run(strings.Join(field, "."), func(t *testing.T) {
			zone := zoneIn(t, "in-place")
			unstructured.RemoveNestedField(zone.Object, field...)
			if got := check(t, zone, false); got.Status != "Progressing" {
				t.Errorf("health is %s (%s)", got.Status, got.Message)
			}
		})
	}
}

// Somebody who is asked to confirm what cannot be confirmed looks in the wrong place.
func TestArgoAsksToConfirmADeletionOnlyWhereOneWaits(t *testing.T) {
	for _, row := range expectations {
		if row.kstatus != status.TerminatingStatus || row.says != "Stalled" {
			continue
		}
		t.Run(row.phase, func(t *testing.T) {
			zone := zoneIn(t, row.phase)
			waits := condition(t, zone, "Stalled", "reason") == "ChangeNotConfirmed"
			message := check(t, zone, false).Message
			if asks := strings.HasPrefix(message, "waiting for the deletion to be confirmed: "); asks != waits {
				t.Errorf("a change waits for confirmation: %t, but Argo CD says %q", waits, message)
			}
		})
	}
}

type healthTest struct {
	HealthStatus health `json:"healthStatus"`
	InputPath    string `json:"inputPath"`
}

// The layout is that of Argo CD's own resource_customizations, so that the folder can be handed in there.
func TestArgoFolderHoldsEveryPhase(t *testing.T) {
	var want struct {
		Tests []healthTest `json:"tests"`
	}
	files := map[string]string{}
	for _, row := range expectations {
		zone := zoneIn(t, row.phase)
		input := "testdata/" + strings.ToLower(row.health) + "_" + strings.ReplaceAll(row.phase, "-", "_") + ".yaml"
		files[input] = phaseText(t, row.phase)
		want.Tests = append(want.Tests, healthTest{check(t, zone, true), input})
	}
	text, err := yaml.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	files["health_test.yaml"] = string(text)

	present, err := filepath.Glob(filepath.Join(argo, "testdata", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		for _, file := range present {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(argo, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return
	}
	for _, file := range present {
		if _, ok := files["testdata/"+filepath.Base(file)]; !ok {
			t.Errorf("%s belongs to no phase; run: go test ./... -update", file)
		}
	}
	for name, text := range files {
		live, err := os.ReadFile(filepath.Join(argo, name))
		if err != nil || string(live) != text {
			t.Errorf("%s is stale; run: go test ./... -update", filepath.Join(argo, name))
		}
	}
}

func TestArgoConfigMapHoldsTheHealthCheck(t *testing.T) {
	const file = "../../examples/gitops/argocd/argocd-cm.yaml"
	const key = "resource.customizations.health.pcizone.dev_PciZone"
	data, _, err := unstructured.NestedStringMap(load(t, file).Object, "data")
	if err != nil {
		t.Fatal(err)
	}
	if data[key] != read(t, filepath.Join(argo, "health.lua")) {
		t.Errorf("%s in %s differs from health.lua", key, file)
	}
}

// check runs health.lua as Argo CD does.
//
// Argo CD's own code (util/lua of github.com/argoproj/argo-cd/v3) cannot be imported: it needs the module
// gitops-engine, which only its own repository has, by a replace directive. So the interpreter that it uses
// is called here with the same globals: obj as a table, the libraries package, base and table, a limit of
// one second; all libraries for checks that are built in, not for checks that users install. Its cut-down os
// library is left out: health.lua reads no clock.
func check(t *testing.T, zone *unstructured.Unstructured, libraries bool) health {
	t.Helper()
	state := lua.NewState(lua.Options{SkipOpenLibs: !libraries})
	defer state.Close()
	for _, library := range []struct {
		name string
		open lua.LGFunction
	}{
		{lua.LoadLibName, lua.OpenPackage},
		{lua.BaseLibName, lua.OpenBase},
		{lua.TabLibName, lua.OpenTable},
	} {
		call := lua.P{Fn: state.NewFunction(library.open), Protect: true}
		if err := state.CallByParam(call, lua.LString(library.name)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	state.SetContext(ctx)
	state.SetGlobal("obj", table(state, zone.Object))
	if err := state.DoFile(filepath.Join(argo, "health.lua")); err != nil {
		t.Fatal(err)
	}
	result, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		t.Fatalf("health.lua returns a %s, not a table", state.Get(-1).Type())
	}
	return health{Status: lua.LVAsString(result.RawGetString("status")), Message: lua.LVAsString(result.RawGetString("message"))}
}

// table turns a value of an object into one of Lua.
func table(state *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case bool:
		return lua.LBool(value)
	case int64:
		return lua.LNumber(value)
	case float64:
		return lua.LNumber(value)
	case string:
		return lua.LString(value)
	case []any:
		list := state.NewTable()
		for _, item := range value {
			list.Append(table(state, item))
		}
		return list
	case map[string]any:
		fields := state.NewTable()
		for key, item := range value {
			fields.RawSetString(key, table(state, item))
		}
		return fields
	default:
		return lua.LNil
	}
}
