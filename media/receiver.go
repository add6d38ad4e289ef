package media

import (
	"log/slog"
	"time"
)

// ReceiverConfig makes a Receiver.
type ReceiverConfig struct {
	PortMin, PortMax uint16        // RTP ports come from this range, even ones; 0,0: any free pair
	Shards           int           // 0: min(2, NumCPU-1), at least 1
	Tick             time.Duration // 0: 100 ms
	Quarantine       time.Duration // how long a closed pair is drained before re-use; 0: 5 s
	ReadBuffer       int           // SO_RCVBUF asked for, bytes; 0: 425,984
	Portable         bool          // a goroutine per socket instead of the tick
	Log              *slog.Logger
}
