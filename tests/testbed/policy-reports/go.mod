// The definitions of report kinds, which other software brings into a cluster. Only its files are read.
module policy-reports

go 1.25

require github.com/kyverno/kyverno v1.15.2
