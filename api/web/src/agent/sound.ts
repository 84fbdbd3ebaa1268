// Devices, levels, and what the page itself rings.

/** What was chosen for this browser. */
export interface SoundSettings {
  microphone: string;
  speaker: string;
  ringer: string;
  echo: boolean;
  noise: boolean;
  gain: boolean;
}

const KEY = "patchbay.sound";
const USUAL: SoundSettings = { microphone: "", speaker: "", ringer: "", echo: true, noise: true, gain: true };

export function soundSettings(): SoundSettings {
  try {
    return { ...USUAL, ...JSON.parse(localStorage.getItem(KEY) ?? "{}") };
  } catch {
    return { ...USUAL };
  }
}

export function keepSoundSettings(settings: SoundSettings): void {
  localStorage.setItem(KEY, JSON.stringify(settings));
}

/** Opens the chosen microphone; another one if that is gone. */
export async function openMicrophone(): Promise<MediaStream> {
  const { microphone, echo, noise, gain } = soundSettings();
  return navigator.mediaDevices.getUserMedia({
    audio: {
      deviceId: microphone ? { ideal: microphone } : undefined,
      echoCancellation: echo,
      noiseSuppression: noise,
      autoGainControl: gain,
    },
  });
}

/** Can a page choose where sound is played? */
export const CHOOSES_SPEAKER = "setSinkId" in HTMLMediaElement.prototype;

/** Plays by a device; by the usual one if that is gone. */
export async function playBy(element: HTMLMediaElement, device: string): Promise<void> {
  if (!CHOOSES_SPEAKER) return;
  try {
    await (element as any).setSinkId(device);
  } catch {
    await (element as any).setSinkId("").catch(() => {});
  }
}

let shared: AudioContext | null = null;

/** The one context of the page; it sleeps until the page is touched. */
export function context(): AudioContext {
  shared ??= new AudioContext();
  if (shared.state === "suspended") void shared.resume().catch(() => {});
  return shared;
}

/** True as long as the browser lets the page make no sound. */
export function isSilenced(): boolean {
  return context().state === "suspended";
}

/** How loud a stream is. */
export class Level {
  private readonly source: MediaStreamAudioSourceNode;
  private readonly analyser: AnalyserNode;
  private readonly samples: Float32Array<ArrayBuffer>;

  constructor(readonly stream: MediaStream) {
    this.source = context().createMediaStreamSource(stream);
    this.analyser = new AnalyserNode(context(), { fftSize: 1024 });
    this.samples = new Float32Array(this.analyser.fftSize);
    this.source.connect(this.analyser);
  }

  /** 0 (silence, −60 dB and less) to 1 (full scale). */
  now(): number {
    this.analyser.getFloatTimeDomainData(this.samples);
    const power = this.samples.reduce((sum, sample) => sum + sample * sample, 0) / this.samples.length;
    const db = 10 * Math.log10(power + 1e-9);
    return Math.min(Math.max(1 + db / 60, 0), 1);
  }

  end(): void {
    this.source.disconnect();
  }
}

/** Rings, and plays short signals, by a device of its own. */
export class Ringer {
  private readonly element = new Audio();
  private readonly out: MediaStreamAudioDestinationNode;
  private timer = 0;

  constructor() {
    this.out = context().createMediaStreamDestination();
    this.element.srcObject = this.out.stream;
  }

  /** Rings until told otherwise; `softly` for a call that waits while another goes on. */
  ring(softly: boolean): void {
    if (this.timer) return;
    const once = () => (softly ? this.signal([620], 0.15, 0.08) : this.signal([660, 550, 660, 550], 0.22, 0.25));
    once();
    this.timer = window.setInterval(once, softly ? 5_000 : 2_500);
  }

  quiet(): void {
    clearInterval(this.timer);
    this.timer = 0;
  }

  /** Notes one after the other. */
  signal(notes: number[], seconds: number, loudness: number, device = soundSettings().ringer): void {
    void playBy(this.element, device).then(() => this.element.play().catch(() => {}));
    const start = context().currentTime + 0.05;
    notes.forEach((hz, i) => {
      const tone = new OscillatorNode(context(), { type: "sine", frequency: hz });
      const gain = new GainNode(context(), { gain: 0 });
      const at = start + i * seconds;
      gain.gain.setValueAtTime(0, at);
      gain.gain.linearRampToValueAtTime(loudness, at + 0.02);
      gain.gain.setValueAtTime(loudness, at + seconds - 0.05);
      gain.gain.linearRampToValueAtTime(0, at + seconds);
      tone.connect(gain).connect(this.out);
      tone.start(at);
      tone.stop(at + seconds);
    });
  }
}
