// Package controllers stands in for a module of the Multi-Cluster Services API that pulls in a whole controller.
// Cilium uses one name of it, in code that never runs on one cluster alone.
package controllers

// DerivedServiceAnnotation names the Service that was derived from a ServiceImport.
const DerivedServiceAnnotation = "multicluster.kubernetes.io/derived-service"
