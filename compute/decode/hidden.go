package decode

import (
	"elenchus/compute/machine"
	"elenchus/compute/model"
	"elenchus/compute/opset"
)

// Hidden feeds ids, some at a time, and hands the residual stream behind the last layer of each
// position to visit, in order; no head is run. The slice is valid during the call. visit's error ends it.
func Hidden(m *model.Model, ids []int32, split machine.Split, visit func(t int, x []int32) error) error {
	return blocks(m, ids, split, func(r *Run, first int, c []opset.Context) error {
		for i := range c {
			if err := visit(first+i, r.pass.x[i].I32); err != nil {
				return err
			}
		}
		return nil
	})
}

// teacherBlock is how many positions Teacher and Hidden take at once.
const teacherBlock = 64

// blocks runs embed and layers over ids, block by block, each of which visit sees.
func blocks(m *model.Model, ids []int32, split machine.Split, visit func(r *Run, first int, c []opset.Context) error) error {
	r, err := New(m, Job{Prompt: ids, MaxNew: 1}, split, Hooks{})
	if err != nil {
		return err
	}
	for first := 0; first < len(ids); first += teacherBlock {
		r.pass.begin(r.m, nil)
		c := make([]opset.Context, 0, teacherBlock)
		for t := first; t < min(len(ids), first+teacherBlock); t++ {
			c = append(c, r.at(t))
		}
		r.pass.add(r, c)
		r.pass.layers()
		if err := visit(r, first, c); err != nil {
			return err
		}
	}
	return nil
}
