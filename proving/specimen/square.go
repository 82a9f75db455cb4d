package specimen

import "github.com/consensys/gnark/frontend"

// Square is the circuit of x^2 = y with x secret: the smallest there is, for what takes any circuit.
func Square() frontend.Circuit { return &square{} }

type square struct {
	Y frontend.Variable `gnark:",public"`
	X frontend.Variable
}

// Define makes the constraint; gnark calls it.
func (s *square) Define(api frontend.API) error {
	api.AssertIsEqual(s.Y, api.Mul(s.X, s.X))
	return nil
}
