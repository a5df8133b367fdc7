/** A short sound when the bot says something and nobody looks. */

/** Two soft tones, in hertz and seconds from the beginning. */
const TONES = [
  [660, 0],
  [880, 0.12]
] as const

/** Returns what plays the sound. Browsers allow it, and people expect it, only after they have touched the frame. */
export function openSound(view: Window, isOff: () => boolean): () => void {
  let audio: AudioContext | undefined
  const prepare = (): void => {
    view.removeEventListener('pointerdown', prepare, true)
    view.removeEventListener('keydown', prepare, true)
    if (typeof AudioContext === 'function') audio = new AudioContext()
  }
  view.addEventListener('pointerdown', prepare, true)
  view.addEventListener('keydown', prepare, true)

  return () => {
    if (!audio || isOff()) return
    const context = audio
    for (const [frequency, at] of TONES) {
      const start = context.currentTime + at
      const volume = context.createGain()
      volume.gain.setValueAtTime(0, start)
      volume.gain.linearRampToValueAtTime(0.08, start + 0.02)
      volume.gain.exponentialRampToValueAtTime(0.0001, start + 0.3)
      volume.connect(context.destination)
      const tone = context.createOscillator()
      tone.frequency.value = frequency
      tone.connect(volume)
      tone.start(start)
      tone.stop(start + 0.3)
    }
  }
}
