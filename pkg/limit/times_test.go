package limit

import (
	"testing"
	"time"
)

// Few times take little memory, and many no more than a second needs. What has only begun has a rate, too.
func TestTimes(t *testing.T) {
	var s times
	now := time.Now()
	for range 3 {
		now = now.Add(10 * time.Millisecond)
		s.add(now)
	}
	if n, span := s.last(now); n != 3 || span != instant || cap(s.at) > few {
		t.Errorf("%d in %v, room for %d", n, span, cap(s.at))
	}
	if n, span := s.last(now.Add(200 * time.Millisecond)); n != 3 || span != 220*time.Millisecond {
		t.Errorf("%d in %v", n, span)
	}
	for range 2 * mostTimes {
		now = now.Add(100 * time.Microsecond)
		s.add(now)
	}
	if n, span := s.last(now); n != mostTimes || span != (mostTimes-1)*100*time.Microsecond || len(s.at) != mostTimes {
		t.Errorf("%d in %v, of %d", n, span, len(s.at))
	}
	now = now.Add(time.Minute)
	if n, span := s.last(now); n != few || span != time.Minute+(few-1)*100*time.Microsecond {
		t.Errorf("%d in %v", n, span)
	}
}
