package stake

import (
	"fmt"
	"strconv"
	"strings"

	"elenchus/commitment/claim"
)

// Named is one parameter with its name in SPEC 09 §6 and the range that its profile allows.
type Named struct {
	Name             string
	Value, Low, High Amount
}

// Named are all parameters but the profile, in the order in which Check looks at them.
func (p *Params) Named() []Named {
	var out []Named
	for _, l := range append(p.clocks(), p.prices()...)[1:] {
		out = append(out, Named{l.name, l.v, l.low, l.high})
	}
	return out
}

// Set gives the parameter of a name a value in decimal digits. It checks neither range nor profile: Check does, once all
// are set, since ranges depend on each other.
func (p *Params) Set(name, digits string) error {
	small := map[string]*uint64{
		"unbonding": &p.Unbonding, "window": &p.Window, "replyTime": &p.ReplyTime, "grace": &p.Grace,
		"forcedInclusion": &p.ForcedInclusion, "rate": &p.Rate, "spaceRate": &p.SpaceRate, "rewardDelay": &p.RewardDelay,
		"priceCap": &p.PriceCap, "tipCap": &p.TipCap, "worstGas": &p.WorstGas, "refundFactor": &p.RefundFactor,
	}
	large := map[string]*Amount{"reserve": &p.Reserve, "tokenPerEther": &p.TokenPerEther, "workFee": &p.WorkFee}
	wrong := func(err error) error { return fmt.Errorf("%w: %s %q: %w", ErrParams, name, digits, err) }
	if at, ok := small[name]; ok {
		v, err := strconv.ParseUint(digits, 10, 64)
		if err != nil {
			return wrong(err)
		}
		*at = v
		return nil
	}
	if at, ok := large[name]; ok {
		v, err := claim.ParseAmount(digits)
		if err != nil {
			return wrong(err)
		}
		*at = v
		return nil
	}
	var names []string
	for _, n := range p.Named() {
		names = append(names, n.Name)
	}
	return fmt.Errorf("%w: there is no parameter %q; they are %s", ErrParams, name, strings.Join(names, ", "))
}

// ParseProfile is the profile of a name.
func ParseProfile(name string) (Profile, error) {
	for i, n := range profileNames {
		if n == name {
			return Profile(i), nil
		}
	}
	return 0, fmt.Errorf("%w: profile %q is none of %s", ErrParams, name, strings.Join(profileNames[:], ", "))
}
