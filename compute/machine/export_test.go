package machine

// Sets are those that this processor can run.
var Sets = sets
