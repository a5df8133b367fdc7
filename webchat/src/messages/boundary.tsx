/** Keeps what goes wrong in one message within that message. */

import { Component, type ComponentChildren } from 'preact'

interface Props {
  children: ComponentChildren
  /** What stands there instead. */
  instead: ComponentChildren
}

/** Shows `instead` once its children have thrown. */
export class Boundary extends Component<Props, { failed: boolean }> {
  override state = { failed: false }

  static override getDerivedStateFromError() {
    return { failed: true }
  }

  override componentDidCatch(error: unknown) {
    // For the author of a bot; visitors see a quiet line.
    console.warn('nudge: a message could not be shown', error)
  }

  override render({ children, instead }: Props) {
    return this.state.failed ? instead : children
  }
}
