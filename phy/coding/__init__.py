"""Channel coding on bit arrays (uint8, 0/1) and float32 LLRs (positive = bit 0): CRC, convolutional, NR LDPC.

Nothing here knows modulation, channel or time. Modules: `crc`; `convolutional` (K = 7, soft Viterbi); `ldpc`
(5G NR code and decoder), `ldpc_rate` (rate matching), `transport` (segmentation, transport blocks) and
`transport_size`; `mcs` (tables, link adaptation); `harq` (soft combining).

Inputs pass through `np.require(..., ("C", "W"))`: to numba a read-only array is another type, for which every
kernel would compile again.
"""
