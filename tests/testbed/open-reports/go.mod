// The definitions of report kinds, which other software brings into a cluster. Only its files are read.
module open-reports

go 1.25

require github.com/openreports/reports-api v0.2.1
