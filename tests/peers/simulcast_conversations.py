"""What is asked of a browser's `RTCPeerConnection` to see how it offers encodings, and what it makes of an answer.

Used by `tests/captured/record_simulcast.py` (which keeps what was offered) and `tests/confirm/simulcast.py`.
Leaves out: connecting. Nothing here sends a media packet. Read next: `tests/peers/sdp_conversations.py`.
"""

from __future__ import annotations

OFFER_ENCODINGS = """async (encodings, mode) => {
  window.pc = new RTCPeerConnection({bundlePolicy: 'max-bundle'});
  const sendEncodings = encodings.map(([rid, scaleResolutionDownBy]) =>
    ({rid, scaleResolutionDownBy, ...(mode ? {scalabilityMode: mode} : {})}));
  window.one = pc.addTransceiver('video', {direction: 'sendonly', sendEncodings});
  const all = RTCRtpReceiver.getCapabilities('video').codecs;
  const named = (name) => all.filter(({mimeType}) => mimeType.toLowerCase() === name);
  one.setCodecPreferences([...named('video/vp8'), ...named('video/rtx')]);
  await pc.setLocalDescription(await pc.createOffer());
  return pc.localDescription.sdp;
}"""

ENCODINGS_AFTER = """async (sdp) => {
  await pc.setRemoteDescription({type: 'answer', sdp});
  return one.sender.getParameters().encodings.map(({rid = ''}) => rid);
}"""
