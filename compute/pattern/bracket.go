package pattern

// bracket reads what follows [ up to the closing bracket.
func (c *compiler) bracket(depth int) (set, error) {
	var s set
	if depth > maxDepth {
		return s, c.fail("brackets in more than %d brackets", maxDepth)
	}
	s.not = c.take("^")
	for first := true; ; first = false {
		switch {
		case c.at >= len(c.src):
			return s, c.fail("a bracket is not closed")
		case !first && c.take("]"):
			return s, nil
		case c.take("&&["):
			but, err := c.bracket(depth + 1)
			if err != nil {
				return s, err
			}
			s.but = &but
			if !c.take("]") {
				return s, c.fail("something after an intersection")
			}
			return s, nil
		}
		if err := c.member(&s); err != nil {
			return s, err
		}
	}
}

// member reads one character, range or escape of a bracket.
func (c *compiler) member(s *set) error {
	if c.src[c.at] == '[' {
		return c.fail("a bracket in a bracket without &&")
	}
	n := len(s.ranges)
	if err := c.single(s); err != nil {
		return err
	}
	single := len(s.ranges) == n+2 && s.ranges[n] == s.ranges[n+1]
	if !single || !c.peek("-") || c.at+1 >= len(c.src) || c.src[c.at+1] == ']' {
		return nil
	}
	c.at++
	var last set
	if err := c.single(&last); err != nil {
		return err
	}
	if len(last.ranges) != 2 || last.cats != 0 || last.space || last.nspace || last.word || last.nword || last.ranges[0] < s.ranges[n] {
		return c.fail("a range that is none")
	}
	s.ranges[n+1] = last.ranges[0]
	return nil
}

func (c *compiler) single(s *set) error {
	if c.at >= len(c.src) {
		return c.fail("a bracket is not closed")
	}
	r := c.src[c.at]
	if r == '\\' {
		return c.escape(s)
	}
	c.at++
	s.ranges = append(s.ranges, r, r)
	return nil
}

// quantify applies what follows the steps from start on.
func (c *compiler) quantify(start int) error {
	least, most, ok, err := c.counts()
	if err != nil || !ok {
		return err
	}
	possessive := c.take("+")
	if c.peek("?") || c.peek("*") || c.peek("{") {
		return c.fail("a quantifier of a quantifier")
	}
	body := c.code[start:]
	if len(body) == 1 && body[0].op == opSet && body[0].least == 1 && body[0].most == 1 && !body[0].possessive {
		body[0].least, body[0].most, body[0].possessive = least, most, possessive
		return nil
	}
	if possessive || !eats(body, start) {
		return c.fail("a group that cannot be repeated so")
	}
	return c.repeat(start, least, most)
}

// counts reads a quantifier; ok is false if there is none.
func (c *compiler) counts() (least, most int, ok bool, err error) {
	switch {
	case c.take("?"):
		return 0, 1, true, nil
	case c.take("*"):
		return 0, many, true, nil
	case c.take("+"):
		return 1, many, true, nil
	case !c.take("{"):
		return 0, 0, false, nil
	}
	least, most = c.number(), many
	if least >= 0 && !c.peek(",") {
		most = least
	}
	if c.take(",") && !c.peek("}") {
		most = c.number()
	}
	if least < 0 || most < max(least, 1) || !c.take("}") {
		return 0, 0, false, c.fail("a count that is none")
	}
	return least, most, true, nil
}

// number reads digits, -1 if there are none or it is beyond maxCount.
func (c *compiler) number() int {
	n, digits := 0, 0
	for c.at < len(c.src) && c.src[c.at] >= '0' && c.src[c.at] <= '9' {
		n, digits = n*10+int(c.src[c.at]-'0'), digits+1
		if n > maxCount {
			return -1
		}
		c.at++
	}
	if digits == 0 {
		return -1
	}
	return n
}

// eats says whether every way through the steps, which stand from start on, takes a character.
func eats(body []step, start int) bool {
	seen := make([]bool, len(body))
	todo := []int{0}
	for len(todo) > 0 {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if i >= len(body) {
			return false
		}
		if seen[i] {
			continue
		}
		seen[i] = true
		switch s := body[i]; {
		case s.op == opSplit:
			todo = append(todo, s.x-start, s.y-start)
		case s.op == opJump || s.op == opLook:
			todo = append(todo, s.x-start)
		case s.op != opSet || s.least == 0:
			todo = append(todo, i+1)
		}
	}
	return true
}

// repeat writes the steps from start on least times, then up to most times.
func (c *compiler) repeat(start, least, most int) error {
	body := append([]step(nil), c.code[start:]...)
	c.code = c.code[:start]
	put := func() {
		by := len(c.code) - start
		for _, s := range body {
			c.code = append(c.code, moved(s, start, by))
		}
	}
	copies := least
	if most != many {
		copies = most
	}
	if copies*(len(body)+1) > maxSteps {
		return c.fail("more than %d steps", maxSteps)
	}
	for range least {
		put()
	}
	if most == many {
		loop := len(c.code)
		c.code = append(c.code, step{op: opSplit, x: loop + 1})
		put()
		c.code = append(c.code, step{op: opJump, x: loop})
		c.code[loop].y = len(c.code)
		return nil
	}
	var splits []int
	for range most - least {
		splits = append(splits, len(c.code))
		c.code = append(c.code, step{op: opSplit, x: len(c.code) + 1})
		put()
	}
	for _, s := range splits {
		c.code[s].y = len(c.code)
	}
	return nil
}
