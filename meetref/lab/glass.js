// A clock drawn into a video, and read out of it again: what `lab/glass.py` and `lab/webinar.py` put into their pages.
//
// The clock is the time in milliseconds as a grid of 32 cells, black or white, the first cell the smallest bit. Both
// browsers run on one machine and have one clock, so what a frame shows, taken from the time at which it is shown, is
// how long it took from canvas to screen.
() => {
  const WIDTH = 640, HEIGHT = 360, COLUMNS = 8, ROWS = 4, AROUND = 2 ** (COLUMNS * ROWS);
  const CELL_WIDTH = WIDTH / COLUMNS, CELL_HEIGHT = HEIGHT / ROWS;
  const DARKEST_WHITE = 160, LIGHTEST_BLACK = 95;  // between them it may be either

  let connection = null, session = null, track = null, delays = [], unreadable = 0;
  let video = document.createElement("video");
  video.muted = true;
  const eye = document.createElement("canvas");
  eye.width = WIDTH;
  eye.height = HEIGHT;
  const seen = eye.getContext("2d", {willReadFrequently: true});

  function camera() {
    const canvas = document.createElement("canvas");
    canvas.width = WIDTH;
    canvas.height = HEIGHT;
    document.body.append(canvas);
    const paint = canvas.getContext("2d");
    let isDue = false;
    const draw = () => {
      requestAnimationFrame(draw);
      isDue = !isDue;  // at every other one: 30 frames a second
      if (!isDue) return;
      const clock = Date.now();
      for (let cell = 0; cell < COLUMNS * ROWS; cell++) {
        paint.fillStyle = Math.floor(clock / 2 ** cell) % 2 ? "white" : "black";
        const column = cell % COLUMNS, row = Math.floor(cell / COLUMNS);
        paint.fillRect(column * CELL_WIDTH, row * CELL_HEIGHT, CELL_WIDTH, CELL_HEIGHT);
      }
    };
    draw();
    return canvas.captureStream().getVideoTracks()[0];
  }

  function readClock() {
    seen.drawImage(video, 0, 0, WIDTH, HEIGHT);
    const {data} = seen.getImageData(0, 0, WIDTH, HEIGHT);
    let clock = 0;
    for (let cell = 0; cell < COLUMNS * ROWS; cell++) {
      const x = (cell % COLUMNS + 0.5) * CELL_WIDTH, y = (Math.floor(cell / COLUMNS) + 0.5) * CELL_HEIGHT;
      const green = data[(y * WIDTH + x) * 4 + 1];
      if (green > LIGHTEST_BLACK && green < DARKEST_WHITE) return null;
      if (green >= DARKEST_WHITE) clock += 2 ** cell;
    }
    return clock;
  }

  function look() {
    const now = Date.now();
    const shown = readClock();
    if (shown === null) unreadable++;
    else delays.push((now % AROUND - shown + AROUND) % AROUND);
    video.requestVideoFrameCallback(look);
  }

  function open() {
    connection = new RTCPeerConnection();
    connection.ontrack = ({track}) => {
      video.srcObject = new MediaStream([track]);
      document.body.append(video);
      video.play();
    };
  }

  async function described(description) {
    await connection.setLocalDescription(description);
    while (connection.iceGatheringState !== "complete") await new Promise((done) => setTimeout(done, 10));
    return connection.localDescription.sdp;
  }

  function onlyVP8(transceiver) {
    const {codecs} = RTCRtpReceiver.getCapabilities("video");
    transceiver.setCodecPreferences(codecs.filter(({mimeType}) => /^video\/(VP8|rtx)$/i.test(mimeType)));
  }

  window.glass = {
    // The sender's offer.
    async send() {
      open();
      track ??= camera();
      onlyVP8(connection.addTransceiver(track, {direction: "sendonly"}));
      return described(await connection.createOffer());
    },
    // The receiver's offer, to a server.
    async ask() {
      open();
      onlyVP8(connection.addTransceiver("video", {direction: "recvonly"}));
      return described(await connection.createOffer());
    },
    // The receiver's answer, to the other browser.
    async answer(sdp) {
      open();
      await connection.setRemoteDescription({type: "offer", sdp});
      return described(await connection.createAnswer());
    },
    async take(sdp) {
      await connection.setRemoteDescription({type: "answer", sdp});
      return true;
    },
    // Offer to the server by WHIP or WHEP, and take what it answers.
    async call(path, sdp) {
      const response = await fetch(path, {method: "POST", headers: {"content-type": "application/sdp"}, body: sdp});
      if (!response.ok) return await response.text() || response.statusText;
      session = response.headers.get("location");
      await connection.setRemoteDescription({type: "answer", sdp: await response.text()});
      return null;
    },
    // Let the clock be this page's camera.
    pose() {
      const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      navigator.mediaDevices.getUserMedia = async (wanted) => {
        const stream = wanted.audio ? await open({audio: wanted.audio}) : new MediaStream();
        if (wanted.video) stream.addTrack(camera());
        return stream;
      };
    },
    // Look at the page's own video.
    watch() {
      video = document.querySelector("video");
      video.requestVideoFrameCallback(look);
      return true;
    },
    // What was seen since the last time.
    seen() {
      const result = {delays, unreadable, width: video.videoWidth};
      delays = [];
      unreadable = 0;
      return result;
    },
    async leave() {
      connection.close();
      if (session !== null) await fetch(session, {method: "DELETE"});
      session = null;
      return true;
    },
  };
  video.requestVideoFrameCallback(look);
}
