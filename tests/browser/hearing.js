// What a page hears in its calls, by WebAudio.
export const ears = [];

/** Listens to the track of a call, which must come with its stream. */
export function hear(index, event) {
  const stream = event.streams[0];
  // Without an element that plays it, Chromium gives WebAudio nothing of a remote stream.
  const element = new Audio();
  element.srcObject = stream;
  element.play();
  const context = new AudioContext();
  const analyser = new AnalyserNode(context, { fftSize: 16384, smoothingTimeConstant: 0 });
  context.createMediaStreamSource(stream).connect(analyser);
  ears[index] = { context, analyser, element };
}

/** The loudest frequency that a call hears now, and its level in decibels. */
export function hears(index) {
  const ear = ears[index];
  if (!ear) return { hz: 0, db: -200 };
  const bins = new Float32Array(ear.analyser.frequencyBinCount);
  ear.analyser.getFloatFrequencyData(bins);
  let best = 1;
  for (let i = 1; i < bins.length; i++) if (bins[i] > bins[best]) best = i;
  return { hz: (best * ear.context.sampleRate) / ear.analyser.fftSize, db: Math.max(bins[best], -200) };
}

/** A microphone that takes a tone for a voice. */
export const plainSound = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
