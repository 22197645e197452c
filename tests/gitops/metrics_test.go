package gitops

import (
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// The parts of kube-state-metrics' configuration that we use. Its own package cannot be used here: the version
// at hand (2.18) does not build with the Kubernetes libraries that kstatus needs.
type stateMetrics struct {
	Kind string `json:"kind"`
	Spec struct {
		Resources []struct {
			GroupVersionKind struct {
				Group   string `json:"group"`
				Version string `json:"version"`
				Kind    string `json:"kind"`
			} `json:"groupVersionKind"`
			ResourcePlural   string              `json:"resourcePlural"`
			MetricNamePrefix string              `json:"metricNamePrefix"`
			LabelsFromPath   map[string][]string `json:"labelsFromPath"`
			Metrics          []struct {
				Name string `json:"name"`
				Help string `json:"help"`
				Each struct {
					Type  string `json:"type"`
					Gauge *struct {
						Path         []string `json:"path"`
						LabelFromKey string   `json:"labelFromKey"`
					} `json:"gauge"`
					StateSet *struct {
						Path           []string            `json:"path"`
						LabelsFromPath map[string][]string `json:"labelsFromPath"`
						LabelName      string              `json:"labelName"`
						ValueFrom      []string            `json:"valueFrom"`
						List           []string            `json:"list"`
					} `json:"stateSet"`
					Info *struct {
						LabelsFromPath map[string][]string `json:"labelsFromPath"`
					} `json:"info"`
				} `json:"each"`
			} `json:"metrics"`
		} `json:"resources"`
	} `json:"spec"`
}

func TestStateMetricsReadOnlyFieldsThatTheDefinitionHas(t *testing.T) {
	var config stateMetrics
	const file = "../../deploy/kube-state-metrics/custom-resource-state.yaml"
	if err := yaml.UnmarshalStrict([]byte(read(t, file)), &config); err != nil {
		t.Fatal(err)
	}
	root := schema(t)
	has := func(name string, path []string) map[string]any {
		if strings.Join(path[:1], "") == "metadata" {
			return nil
		}
		found := field(root, path)
		if found == nil {
			t.Errorf("%s: the definition has no field %s", name, strings.Join(path, "."))
		}
		return found
	}
	for _, resource := range config.Spec.Resources {
		for label, path := range resource.LabelsFromPath {
			has(label, path)
		}
		for _, metric := range resource.Metrics {
			if metric.Help == "" {
				t.Errorf("%s has no help", metric.Name)
			}
			switch each := metric.Each; {
			case each.Type == "Gauge" && each.Gauge != nil:
				found := has(metric.Name, each.Gauge.Path)
				object := found != nil && found["type"] == "object"
				if object != (each.Gauge.LabelFromKey != "") {
					t.Errorf("%s: labelFromKey goes with an object, and only with one", metric.Name)
				}
			case each.Type == "StateSet" && each.StateSet != nil:
				item, _ := has(metric.Name, each.StateSet.Path)["items"].(map[string]any)
				for _, path := range append([][]string{each.StateSet.ValueFrom}, values(each.StateSet.LabelsFromPath)...) {
					if field(item, path) == nil {
						t.Errorf("%s: no field %v below %v", metric.Name, path, each.StateSet.Path)
					}
				}
				if strings.Join(each.StateSet.List, " ") != "True False Unknown" || each.StateSet.LabelName != "status" {
					t.Errorf("%s does not list the statuses of a condition", metric.Name)
				}
			case each.Type == "Info" && each.Info != nil:
				for _, path := range each.Info.LabelsFromPath {
					has(metric.Name, path)
				}
			default:
				t.Errorf("%s: type %q without its section", metric.Name, each.Type)
			}
		}
	}
}

// schema returns the schema of a PciZone.
func schema(t *testing.T) map[string]any {
	t.Helper()
	var crd struct {
		Spec struct {
			Versions []struct {
				Schema struct {
					OpenAPIV3Schema map[string]any `json:"openAPIV3Schema"`
				} `json:"schema"`
			} `json:"versions"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "../../crds/pcizones.yaml")), &crd); err != nil {
		t.Fatal(err)
	}
	if len(crd.Spec.Versions) != 1 {
		t.Fatalf("%d versions, not 1", len(crd.Spec.Versions))
	}
	return crd.Spec.Versions[0].Schema.OpenAPIV3Schema
}

// field follows a path through the properties of a schema.
func field(schema map[string]any, path []string) map[string]any {
	for _, name := range path {
		properties, _ := schema["properties"].(map[string]any)
		schema, _ = properties[name].(map[string]any)
	}
	return schema
}

func values(paths map[string][]string) [][]string {
	var list [][]string
	for _, path := range paths {
		list = append(list, path)
	}
	return list
}
