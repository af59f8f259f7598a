/* protocol.h: what both ends of the channel (channel.h) know. The client sends its scenario's size (32 bits, little endian)
 * and text; the service answers in lines of UTF-8, of which the first byte says what they are. */
#pragma once

#define BH_CHANNEL_LINE  '.'
#define BH_CHANNEL_ALARM '!'
#define BH_CHANNEL_END   '=' /* and the status, in decimal; the last line */
