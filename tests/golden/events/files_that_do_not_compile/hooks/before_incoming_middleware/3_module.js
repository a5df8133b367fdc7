import x from 'y'
export default 1
