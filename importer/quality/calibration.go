package quality

import _ "embed"

// The text is what the default model writes; TestCalibrationIsWhatTheDefaultModelWrites makes it.
//
//go:embed calibration.txt
var calibration string

// Calibration is a short text of our own, stories of the default model, for importers that are given
// no other.
func Calibration() string { return calibration }
