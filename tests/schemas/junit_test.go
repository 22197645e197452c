package schemas

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// jenkins is where Python with a validator is, and the XSD by which the xUnit plugin of Jenkins refuses reports (junit-10.xsd); the
// sources of pytest carry it. Both are kept in target/ until what they are made of changes.
var jenkins = sync.OnceValues(func() ([2]string, error) {
	digest := sha256.New()
	for _, file := range []string{"requirements.txt", "xsd.txt"} {
		text, err := os.ReadFile(file)
		if err != nil {
			return [2]string{}, err
		}
		digest.Write(text)
	}
	folder, err := filepath.Abs(filepath.Join("../../target/schemas", hex.EncodeToString(digest.Sum(nil))[:16]))
	if err != nil {
		return [2]string{}, err
	}
	python, schema := filepath.Join(folder, "bin/python"), filepath.Join(folder, "junit-10.xsd")
	if _, err := os.Stat(schema); err == nil {
		return [2]string{python, schema}, nil
	}
	extract := "import glob, sys, tarfile\n" +
		"with tarfile.open(glob.glob(sys.argv[1] + '/pytest-*.tar.gz')[0]) as archive:\n" +
		"    member = next(name for name in archive.getnames() if name.endswith('/junit-10.xsd'))\n" +
		"    open(sys.argv[1] + '/junit-10.xsd', 'wb').write(archive.extractfile(member).read())\n"
	for _, step := range [][]string{
		{"python3", "-m", "venv", folder},
		{python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", "requirements.txt"},
		{python, "-m", "pip", "download", "--quiet", "--require-hashes", "--no-deps", "--no-binary", "pytest", "-d", folder, "-r", "xsd.txt"},
		{python, "-c", extract, folder},
	} {
		if output, err := exec.Command(step[0], step[1:]...).CombinedOutput(); err != nil {
			return [2]string{}, errors.New(strings.Join(step, " ") + ": " + err.Error() + "\n" + string(output))
		}
	}
	return [2]string{python, schema}, nil
})

// validateJUnit returns what is wrong with a report.
func validateJUnit(t *testing.T, text []byte) string {
	t.Helper()
	made, err := jenkins()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "junit.xml")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	output, err := exec.Command(made[0], "junit.py", made[1], file).CombinedOutput()
	if exit := new(exec.ExitError); err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1) {
		t.Fatalf("%v\n%s", err, output)
	}
	if err != nil && len(strings.TrimSpace(string(output))) == 0 {
		t.Fatal("it is refused without a reason")
	}
	return strings.TrimSpace(string(output))
}

func TestJUnitIsValidByTheSchemaOfJenkins(t *testing.T) {
	each(t, func(t *testing.T, manifest string) {
		for _, arguments := range [][]string{nil, {"--strict"}} {
			if faults := validateJUnit(t, written(t, manifest, "junit", arguments...)); faults != "" {
				t.Error(faults)
			}
		}
	})
}

func TestJUnitThatIsBrokenIsRefused(t *testing.T) {
	text := written(t, "testdata/violated.yaml", "junit")
	for _, row := range [][2]string{
		{"<failure ", "<failed "},
		{" name=", " title="},
		{`<testsuites name="pcizone check"`, `<testsuites name="pcizone check" skipped="1"`},
		{"<skipped ", `<skipped line="1" `},
		{` errors="0"`, ""},
	} {
		broken := replaced(t, text, row[0], row[1])
		if row[0] == "<failure " {
			broken = replaced(t, broken, "</failure>", "</failed>")
		}
		if row[0] == ` errors="0"` {
			broken = replaced(t, broken, row[0], row[1])
		}
		if validateJUnit(t, broken) == "" {
			t.Errorf("%s in place of %s is valid", row[1], row[0])
		}
	}
}
