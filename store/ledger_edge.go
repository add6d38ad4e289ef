package store

import "golang.org/x/mod/sumdb/tlog"

// treeEdge is the right edge of a growing Merkle tree: all that is needed to
// know the root at every size while the leaves pass by once.
type treeEdge struct {
	size  int64
	nodes []tlog.Hash // roots of the complete subtrees, largest first
}

// add takes the hash of the next leaf. It appends the hashes that tlog stores for
// that leaf, in tlog's order, to stored.
func (e *treeEdge) add(h tlog.Hash, stored []tlog.Hash) []tlog.Hash {
	stored = append(stored, h)
	for n := e.size; n&1 == 1; n >>= 1 {
		h = tlog.NodeHash(e.nodes[len(e.nodes)-1], h)
		stored = append(stored, h)
		e.nodes = e.nodes[:len(e.nodes)-1]
	}
	e.nodes = append(e.nodes, h)
	e.size++
	return stored
}

// root follows RFC 6962 section 2.1.
func (e *treeEdge) root() tlog.Hash {
	if len(e.nodes) == 0 {
		h, _ := tlog.TreeHash(0, nil)
		return h
	}
	h := e.nodes[len(e.nodes)-1]
	for i := len(e.nodes) - 2; i >= 0; i-- {
		h = tlog.NodeHash(e.nodes[i], h)
	}
	return h
}

// readEdge takes the edge of the tree of a size from stored hashes.
func readEdge(size int64, stored tlog.HashReader) (treeEdge, error) {
	var at []int64
	var begins int64
	for level := 62; level >= 0; level-- {
		if size&(1<<level) != 0 {
			at = append(at, tlog.StoredHashIndex(level, begins>>level))
			begins += 1 << level
		}
	}
	nodes, err := stored.ReadHashes(at)
	return treeEdge{size, nodes}, err
}
