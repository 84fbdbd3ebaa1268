// Loaded before a page's own script: keeps what the page hears, and the connections it has, for the cases to look at.
(() => {
  const streams = [];
  const connections = [];
  const sockets = [];
  const Connection = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Connection {
    constructor(...settings) {
      super(...settings);
      connections.push(this);
      this.addEventListener("track", (event) => streams.push(event.streams[0] ?? new MediaStream([event.track])));
    }
  };
  const Socket = window.WebSocket;
  window.WebSocket = class extends Socket {
    constructor(...where) {
      super(...where);
      sockets.push(this);
    }
  };
  const ears = new Map();
  const earOf = (stream) => {
    if (!ears.has(stream)) {
      const context = new AudioContext();
      const analyser = new AnalyserNode(context, { fftSize: 16384, smoothingTimeConstant: 0 });
      context.createMediaStreamSource(stream).connect(analyser);
      ears.set(stream, { context, analyser });
    }
    return ears.get(stream);
  };

  window.ears = {
    connections,
    sockets,
    /** The loudest frequency of the call number `index` (the last one if it is negative), and its level in decibels. */
    hears(index) {
      const stream = streams.at(index);
      if (!stream) return { hz: 0, db: -200 };
      const { context, analyser } = earOf(stream);
      const bins = new Float32Array(analyser.frequencyBinCount);
      analyser.getFloatFrequencyData(bins);
      let best = 1;
      for (let i = 1; i < bins.length; i++) if (bins[i] > bins[best]) best = i;
      return { hz: (best * context.sampleRate) / analyser.fftSize, db: Math.max(bins[best], -200) };
    },
    /** The own port of the way that the sound of the last call takes, once there is one. */
    async port() {
      const stats = [...(await connections.at(-1).getStats()).values()];
      const transport = stats.find((s) => s.type === "transport");
      const pair = stats.find((s) => s.id === transport?.selectedCandidatePairId);
      return stats.find((s) => s.id === pair?.localCandidateId)?.port ?? 0;
    },
  };
})();
