"""How long what belongs to a chain counts: the same for every scheme of the mechanism."""

DAY_S = 86_400
SKEW_S = 120  # clocks of payer, vendor and broker may differ by this, at both ends of a day
DISPUTE_S = 30 * DAY_S  # how long what was paid, or half paid, is remembered for who disagrees
LAPSE_S = 120  # from the last moment to show something until it lapses: longer than any reservation
