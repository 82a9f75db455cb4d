package stake

import (
	"errors"
	"testing"
)

// TestEveryParameterHasItsName: what Named says, Set sets, and nothing else.
func TestEveryParameterHasItsName(t *testing.T) {
	for _, profile := range []Profile{Devnet, L2, L1} {
		p := ParamsOf(profile)
		named := p.Named()
		if len(named) != 15 {
			t.Errorf("%d parameters have names, want 15", len(named))
		}
		for i, n := range named {
			q := p
			if err := q.Set(n.Name, n.High.String()); err != nil {
				t.Fatal(err)
			}
			if got := q.Named()[i].Value; got != n.High {
				t.Errorf("%s is %v after it was set to %v", n.Name, got, n.High)
			}
			q.Set(n.Name, n.Value.String())
			if q != p {
				t.Errorf("setting %s changed another parameter: %+v, before %+v", n.Name, q, p)
			}
		}
		if got, err := ParseProfile(profile.String()); got != profile || err != nil {
			t.Errorf("profile %v is read as %v (%v)", profile, got, err)
		}
	}
	p := ParamsOf(L2)
	for name, value := range map[string]string{"windows": "1", "window": "1.5", "reserve": "-1", "rate": "18446744073709551616"} {
		if err := p.Set(name, value); !errors.Is(err, ErrParams) {
			t.Errorf("%s = %s: %v", name, value, err)
		}
	}
	if _, err := ParseProfile("l3"); !errors.Is(err, ErrParams) {
		t.Errorf("profile l3: %v", err)
	}
	if p != ParamsOf(L2) {
		t.Error("what is refused changed the parameters")
	}
}
