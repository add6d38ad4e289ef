package media

// g722LowSteps is where the low band's quantizer goes from one step to the next
// (table 14/G.722).
var g722LowSteps = [29]int{
	35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714,
	786, 858, 940, 1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
}

// g722Low4 and g722High2 are the inverse quantizers with sign and magnitude in
// one, by code (tables 16 to 20/G.722).
var (
	g722Low4 = [16]int{
		0, -20456, -12896, -8968, -6288, -4240, -2584, -1200,
		20456, 12896, 8968, 6288, 4240, 2584, 1200, 0,
	}
	g722High2 = [4]int{-7408, -1616, 7408, 1616}
	g722Low6  = lowInverse()
)

// lowInverse builds the inverse quantizer of 6 bits from its magnitudes: codes
// 32 to 61 are positive, 62, 63 and 4 to 31 negative, the largest first. 0 to 3
// are never sent and mean the smallest.
func lowInverse() (table [64]int) {
	magnitudes := [30]int{
		24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360,
		8576, 7856, 7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776,
		2400, 2032, 1688, 1360, 1040, 728, 432, 136,
	}
	for code := range 4 {
		table[code] = -136
	}
	for i, m := range magnitudes {
		table[32+i] = m
		if i < 28 {
			table[4+i] = -m
		}
	}
	table[62], table[63] = -432, -136
	return table
}

// g722LowLog and g722HighLog are what each code adds to the logarithm of the
// scale factor.
var (
	g722LowLog = [16]int{
		-60, 3042, 1198, 538, 334, 172, 58, -30,
		3042, 1198, 538, 334, 172, 58, -30, -60,
	}
	g722HighLog = [4]int{798, -214, 798, -214}
)

// g722Power is 2,048 times 2 to the power of i/32.
var g722Power = [32]int{
	2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
	2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
}
