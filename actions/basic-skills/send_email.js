/**
 * Sends no mail: there is no way to a mail server from here. Says what to do instead.
 * @title Send an e-mail
 * @category Skills
 * @author nudge
 * @hidden true
 */
throw new Error('send_email: this server sends no mail; call the HTTP API of a mail service, with basic-skills/call_api or an action of yours')
