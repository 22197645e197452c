// The definitions of report kinds, which other software brings into a cluster. Only its files are read.
module trivy-operator

go 1.25

require github.com/aquasecurity/trivy-operator v0.29.0
