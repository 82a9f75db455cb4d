// Package models carries the default model inside the binary.
//
// It stands beside the importer: app imports these bytes like any other GGUF file. The model is
// our own, trained from scratch and released CC0; see default/MODEL_CARD.md.
//
//	man, err := importer.Bytes(models.Default(), importer.Options{})
package models

import _ "embed"

//go:embed default/elenchus-default.gguf
var defaultGGUF []byte

// Name is what the default model is called on the command line and in the API.
const Name = "default"

// Default is the GGUF file of the default model. The caller must not change it.
func Default() []byte { return defaultGGUF }
