/** The app in the frame. */

import { render } from 'preact'

function App() {
  return <button type="button">chat</button>
}

render(<App />, document.body)
