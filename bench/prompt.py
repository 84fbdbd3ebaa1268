#!/usr/bin/env python3
"""A prompt for the laboratory: 20 s at 8 kHz in which a tone of 60 ms comes once in half a second, which load drivers look for."""
import math
import struct
import sys
import wave

RATE, SECONDS, TONE, EVERY = 8000, 20, 0.06, 0.5
samples = [
    int(12000 * math.sin(2 * math.pi * 1000 * i / RATE)) if (i / RATE) % EVERY < TONE else 0 for i in range(RATE * SECONDS)
]
with wave.open(sys.argv[1], "wb") as out:
    out.setnchannels(1)
    out.setsampwidth(2)
    out.setframerate(RATE)
    out.writeframes(struct.pack(f"<{len(samples)}h", *samples))
